from datetime import date
from decimal import Decimal

import pytest

from chargeback.errors import Invalid
from chargeback.rate_card import Rate
from chargeback.rate_files import read_exchange_rates, read_rates

RATES_CSV = "\N{BYTE ORDER MARK}model,token_kind,price,per_tokens,from,to\r\ngpt,prompt,0.15,1000000,,2026-10-16\r\n"
RATES_YAML = """
rates:
  - {model: gpt, token_kind: prompt, price: 0.15, per_tokens: 1000000, to: 2026-10-16}
"""
EXCHANGE_YAML = (
    "exchange_rates:\n  - {month: 2026-10, currency: EUR, rate: 1.0000000000000000001}\n"
)


def test_a_csv_and_a_yaml_file_say_the_same() -> None:
    wanted = Rate("gpt", "prompt", Decimal("0.15"), 1_000_000, valid_to=date(2026, 10, 16))
    assert [row.rate for row in read_rates(RATES_CSV, "rates.csv")] == [wanted]
    assert [row.rate for row in read_rates(RATES_YAML, "rates.yaml")] == [wanted]


def test_no_digit_of_a_rate_is_lost() -> None:
    (row,) = read_exchange_rates(EXCHANGE_YAML, "rates.yaml")
    assert (row.month, row.currency) == (date(2026, 10, 1), "EUR")
    assert str(row.rate) == "1.0000000000000000001"


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ("2026-10,EUR,0", "row 1, rate"),
        ("2026-10,EUR,-1", "row 1, rate"),
        ("2026-10,EUR,nan", "no number"),
        ("2026-10,EUR,x", "no number"),
        ("2026-10,EURO,1", "no ISO 4217 currency"),
        ("2026-10,eur,1", "write 'EUR'"),
        ("2026-13,EUR,1", "no month"),
        ("October,EUR,1", "no month"),
        ("2026-10,EUR,1\n2026-10,EUR,2", "EUR has two rates for 2026-10"),
        ("2026-10,EUR,1,9", "row 1"),
        ("2026-10,EUR", "row 1, rate"),
        ("", "it has no rows"),
    ],
)
def test_a_rate_that_cannot_be_is_named(rows: str, named: str) -> None:
    with pytest.raises(Invalid, match=named) as refusal:
        read_exchange_rates(f"month,currency,rate\n{rows}", "fx.csv")
    assert refusal.value.message.startswith("fx.csv: ")
    assert refusal.value.message.endswith("; nothing was changed")


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ("gpt,prompt,-1,1000000,,", "row 1, price"),
        ("gpt,prompt,1,500,,", "500 is none of 1, 1000, 1000000"),
        ("gpt,prompt,1,1000,2026-10-02,2026-10-02", "is not before to"),
        ("gpt,prompt,1,1000,,\ngpt,prompt,2,1000,2026-10-01,", "two rates for prompt tokens on 2026-10-01"),
        (",prompt,1,1000,,", "row 1, model"),
    ],
)  # fmt: skip
def test_a_price_that_cannot_be_is_named(rows: str, named: str) -> None:
    with pytest.raises(Invalid, match=named):
        read_rates(f"model,token_kind,price,per_tokens,from,to\n{rows}", "rates.csv")


@pytest.mark.parametrize("content", ["rates: 5", "other: []", "[1, 2]", "rates: [", ""])
def test_a_yaml_file_of_another_shape_is_refused(content: str) -> None:
    with pytest.raises(Invalid, match="nothing was changed"):
        read_rates(content, "rates.yaml")
