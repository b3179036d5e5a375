"""How numbers and dates are written for people."""

from decimal import Decimal

import pytest

from chargeback.documents import wording
from chargeback.periods import Period


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("1234567.5", "USD", "1,234,567.50"),
        ("-5", "USD", "-5.00"),
        ("-0", "USD", "0.00"),
        ("1235", "JPY", "1,235"),
        ("1.5", "BHD", "1.500"),
        ("12345678901234567890.120000000000000000", "USD", "12,345,678,901,234,567,890.12"),
    ],
)
def test_money_has_the_decimals_of_its_currency(amount: str, currency: str, expected: str) -> None:
    assert wording.money(Decimal(amount), currency) == expected


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        ("0.000003000000000000", "0.000003"),
        ("0.333333333333333333", "0.333333"),
        ("0.027186046511627907", "0.0271860"),
        ("1234567.891", "1,234,567.89"),
        ("2", "2.00"),
        ("0", ""),
    ],
)
def test_a_unit_price_has_six_digits_that_count(price: str, expected: str) -> None:
    assert wording.unit_price(Decimal(price), "USD") == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("1E+3", "1,000"),
        ("0.754318700000000005", "0.754318700000000005"),
        ("1.500", "1.5"),
        ("-0", "0"),
    ],
)
def test_an_exact_number_has_all_its_digits(number: str, expected: str) -> None:
    assert wording.exact(Decimal(number)) == expected


@pytest.mark.parametrize(
    ("rate", "expected"), [("0.21", "21%"), ("0.055", "5.5%"), ("0", "0%"), ("1E-2", "1%")]
)
def test_a_rate_is_a_percentage(rate: str, expected: str) -> None:
    assert wording.percent(Decimal(rate)) == expected


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("2026-10", "1 to 31 October 2026"),
        ("2026-10-31", "31 October 2026"),
        ("2026-09-15/2026-10-14", "15 September to 14 October 2026"),
        ("2026-12-15/2027-01-14", "15 December 2026 to 14 January 2027"),
    ],
)
def test_a_period_is_its_first_and_last_day(period: str, expected: str) -> None:
    assert wording.long_period(Period.parse(period)) == expected


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("124702055.727272727272727285", "124,702,055.73"),
        ("11215243.000000000000000012", "11,215,243"),
        ("2.5", "2.5"),
        ("0.0000123456789", "0.0000123457"),
        ("-1.005", "-1.01"),
        ("0", "0"),
    ],
)
def test_a_quantity_is_as_long_as_people_read(amount: str, said: str) -> None:
    assert wording.short(Decimal(amount)) == said


def test_a_whole_month_is_called_by_its_name() -> None:
    assert wording.period_name(Period.month("2026-02")) == "February 2026"
    assert wording.period_name(Period.parse("2026-02-01 to 2026-02-27")) == "1 to 27 February 2026"
