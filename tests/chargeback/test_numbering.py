"""Document numbers: what the series write, and which given numbers look like theirs."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargeback.errors import Invalid
from chargeback.numbering import Series, number, ordinal_in
from chargeback.numbering import given as given_number


def test_a_number_says_series_date_and_place() -> None:
    assert number(Series.INV, date(2026, 11, 1), 1) == "INV-20261101-0001"
    assert number(Series.CN, date(2026, 1, 31), 42) == "CN-20260131-0042"


def test_the_counter_grows_past_four_digits() -> None:
    assert number(Series.INV, date(2026, 11, 1), 12345) == "INV-20261101-12345"


def test_the_counter_begins_at_one() -> None:
    with pytest.raises(AssertionError, match="counts from 1, not from 0"):
        number(Series.INV, date(2026, 11, 1), 0)


def test_a_given_number_that_looks_like_ours_takes_its_place() -> None:
    assert ordinal_in(Series.INV, "INV-20240101-0001") == 1


@pytest.mark.parametrize(
    "text",
    [
        "CN-20240101-0001",
        "INV-20240101-1",
        "INV-20240101-00001",
        "INV-20240101-0000",
        "INV-20240230-0001",
        "inv-20240101-0001",
        "INV-20240101-0001\n",
        "INV-20240101-٠٠٠١",
        "INV-20240101-" + "9" * 5000,
        "2024/17",
    ],
)
def test_what_the_series_would_never_write_has_no_place_in_it(text: str) -> None:
    assert ordinal_in(Series.INV, text) is None


@given(st.sampled_from(Series), st.dates(date(1970, 1, 1)), st.integers(1, 10**12))
def test_numbers_are_read_back(series: Series, business_date: date, ordinal: int) -> None:
    written = number(series, business_date, ordinal)
    assert [ordinal_in(one, written) for one in Series] == [
        ordinal if one is series else None for one in Series
    ]


@pytest.mark.parametrize("text", ["2024/17", "Réf. 5", "x" * 64])
def test_a_caller_may_choose_a_number(text: str) -> None:
    assert given_number(text) == text


@pytest.mark.parametrize(
    "text", ["", " ", " A-1", "A-1 ", "x" * 65, "A\n1", "A\0", "../etc", "\ud800"]
)
def test_a_number_that_cannot_be_printed_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="cannot be a document number; write") as refused:
        given_number(text)
    assert refused.value.code == "number_invalid"
