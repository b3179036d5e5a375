from datetime import date
from decimal import Decimal

import pytest

from chargeback.errors import Invalid
from chargeback.rate_card import Rate, RateCard

DAY = date(2026, 10, 5)
SPLIT = date(2026, 10, 16)
CARD = RateCard([
    Rate("gpt", "prompt", Decimal("0.15"), 1_000_000, valid_to=SPLIT),
    Rate("gpt", "prompt", Decimal("0.30"), 1_000_000, valid_from=SPLIT),
    Rate("gpt", "completion", Decimal("0.6"), 1_000_000),
    Rate("embed", "total", Decimal("0.02"), 1_000),
])  # fmt: skip


def cost(model: str | None, day: date, quantity: str, **tokens: str) -> Decimal:
    counts = tuple((kind, Decimal(count)) for kind, count in tokens.items())
    return CARD.cost(model, day, counts, Decimal(quantity))


def test_each_kind_of_token_has_its_own_price() -> None:
    """1,200 prompt tokens at 0.15 and 300 completion tokens at 0.60 a million: 0.00018 + 0.00018."""
    assert cost("gpt", DAY, "1500", prompt="1200", completion="300") == Decimal("0.00036")


def test_the_price_is_that_of_the_day_and_ends_before_the_day_it_ends_on() -> None:
    assert cost("gpt", date(2026, 10, 15), "1", prompt="1") == Decimal("1.5E-7")
    assert cost("gpt", SPLIT, "1", prompt="1") == Decimal("3E-7")


def test_a_price_for_all_tokens_needs_no_kinds() -> None:
    assert cost("embed", DAY, "1500") == Decimal("0.03")
    assert cost("embed", DAY, "1500", prompt="1500") == Decimal("0.03")


def test_a_kind_that_was_not_used_needs_no_price() -> None:
    assert cost("gpt", DAY, "2", prompt="2", cached="0") == Decimal("3E-7")


@pytest.mark.parametrize(
    ("model", "tokens", "named"),
    [
        ("gpt", {"cached": "5"}, "cached tokens of gpt on 2026-10-05"),
        ("claude", {"prompt": "5"}, "prompt tokens of claude"),
        (None, {}, "total tokens of an unnamed model"),
    ],
)
def test_what_no_price_covers_is_named(
    model: str | None, tokens: dict[str, str], named: str
) -> None:
    with pytest.raises(Invalid, match=named) as refusal:
        cost(model, DAY, "5", **tokens)
    assert refusal.value.code == "no_rate"


def test_prices_are_exact_whatever_they_are_for() -> None:
    rate = Rate("gpt", "prompt", Decimal("0.123456789012345678901234567"), 1_000_000)
    assert rate.per_token == Decimal("1.23456789012345678901234567E-7")
