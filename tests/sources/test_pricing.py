"""What usage costs in the ledger, row by row, from what is given alone."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chargeback.errors import Invalid
from chargeback.rate_card import Rate, RateCard
from chargeback.row_fixes import Fix
from chargeback.sources.contract import Original, Refusal, Usage
from chargeback.sources.kept_usage import kept, unpriced, usage_of
from chargeback.sources.pricing import Pricing, Seen, priced, replayed
from models.enums import FixOperation, ZeroCost

AT = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
EUR = {(date(2026, 10, 1), "EUR"): Decimal("1.1"), (date(2026, 11, 1), "EUR"): Decimal("1.2")}
CARD = RateCard([Rate("gpt", "total", Decimal(1), 1_000_000)])


def usage(cost: str, currency: str | None = None, **given: Any) -> Usage:
    values: dict[str, Any] = {"quantity": Decimal(0), "unit": "Tokens", "sku": "gpt"} | given
    return Usage(1, "u-1", AT, "search", None, None, None, None, "query", values["sku"], values["unit"],
                 values["quantity"], Decimal(cost), currency=currency, tokens=values.get("tokens", ()))  # fmt: skip


def pricing(zone: str = "UTC", **given: Any) -> Pricing:
    values: dict[str, Any] = {"source_currency": "USD", "exchange": EUR, "rate_card": CARD} | given
    return Pricing("USD", zone=ZoneInfo(zone), **values)


def one(row: Usage | Refusal, how: Pricing) -> Usage | Refusal:
    (found,) = priced([row], how)
    return found


def test_usage_in_the_ledgers_own_currency_passes_as_it_is() -> None:
    row = usage("2.5")
    assert one(row, pricing()) is row


def test_a_row_in_another_currency_is_converted_exactly_and_keeps_what_was_said() -> None:
    found = one(usage("3.3333333333333333333", "EUR"), pricing())
    assert isinstance(found, Usage)
    assert found.cost == Decimal("3.66666666666666666663")
    assert found.original == Original(
        Decimal("3.3333333333333333333"), "EUR", Decimal("1.1"), Decimal(0)
    )
    assert unpriced(found) == usage("3.3333333333333333333", "EUR")


def test_the_month_is_that_of_the_day_in_the_billing_zone() -> None:
    """23:30 UTC on 31 October is 1 November in Amsterdam."""
    found = one(usage("1", "EUR"), pricing("Europe/Amsterdam"))
    assert isinstance(found, Usage)
    assert found.cost == Decimal("1.2")


def test_a_row_that_names_the_ledgers_currency_is_not_in_its_sources() -> None:
    found = one(usage("1", "USD"), pricing(source_currency="EUR"))
    assert isinstance(found, Usage)
    assert found.cost == 1
    assert (found.currency, found.original) == (None, None)
    converted = one(usage("1"), pricing(source_currency="EUR"))
    assert isinstance(converted, Usage)
    assert converted.cost == Decimal("1.1")


def test_without_a_rate_it_is_refused_as_it_was_said() -> None:
    found = one(usage("7", "JPY"), pricing())
    assert isinstance(found, Refusal)
    assert (found.code, found.currency, found.is_read) == ("no_exchange_rate", "JPY", True)
    assert found.raw_cost == 7
    assert found.row["cost"] == "7"
    again = replayed(found, pricing(exchange={(date(2026, 10, 1), "JPY"): Decimal("0.007")}))
    assert isinstance(again, Usage)
    assert again.cost == Decimal("0.049")


def test_a_refused_row_of_a_source_is_in_the_sources_currency() -> None:
    refusal = Refusal(1, "a", AT, "bad", "Bad.", {}, Decimal(5))
    found = one(refusal, pricing(source_currency="EUR"))
    assert isinstance(found, Refusal)
    assert found.raw_cost == 5
    assert found.currency == "EUR"


@pytest.mark.parametrize(
    ("decision", "cost", "seen"),
    [(None, "0", (1, 0)), (ZeroCost.ACCEPT, "0", (1, 0)), (ZeroCost.REPRICE, "0.0015", (1, 1))],
)
def test_what_costs_nothing_is_counted_and_treated_as_decided(
    decision: ZeroCost | None, cost: str, seen: tuple[int, int]
) -> None:
    counted = Seen()
    (found,) = priced([usage("0", quantity=Decimal(1500))], pricing(zero_cost=decision), counted)
    assert isinstance(found, Usage)
    assert found.cost == Decimal(cost)
    assert (counted.free, counted.repriced) == seen


def test_what_has_no_tokens_may_cost_nothing() -> None:
    how = pricing(zero_cost=ZeroCost.QUARANTINE)
    assert isinstance(one(usage("0"), how), Usage)
    assert isinstance(one(usage("0", unit="Hours", quantity=Decimal(3)), how), Usage)
    assert isinstance(one(usage("0", unit="Calls", tokens=(("prompt", Decimal(3)),)), how), Refusal)


def test_a_price_in_a_source_of_another_currency_needs_no_converting() -> None:
    """0 EUR at 1.1, and 0.0015 USD by our own rates."""
    how = pricing(source_currency="EUR", zero_cost=ZeroCost.REPRICE)
    found = one(usage("0", quantity=Decimal(1500)), how)
    assert isinstance(found, Usage)
    assert found.original == Original(Decimal(0), "EUR", Decimal("1.1"), Decimal("0.0015"))
    assert found.cost == Decimal("0.0015")


def read_row(position: int, row: Mapping[str, Any]) -> Usage | Refusal:
    """A source whose rows say what they cost."""
    try:
        return usage(str(Decimal(row["cost"])))._replace(position=position)
    except ArithmeticError:
        return Refusal(position, "u-1", AT, "cost_invalid", "Bad.", dict(row), None)


COMMA = Fix("cost_invalid", "cost", FixOperation.REPLACE, ".", ",")


def refused(cost: str) -> Refusal:
    return Refusal(9, "u-1", AT, "cost_invalid", "Bad.", {"cost": cost}, None)


def test_a_fix_cures_a_row_on_its_way_in() -> None:
    how = pricing(read_row=read_row, fixes={"cost_invalid": (COMMA,)})
    found = one(refused("0,5"), how)
    assert isinstance(found, Usage)
    assert (found.position, found.cost) == (9, Decimal("0.5"))


def test_a_row_that_a_fix_does_not_cure_is_refused_as_it_first_was() -> None:
    how = pricing(read_row=read_row, fixes={"cost_invalid": (COMMA,)})
    assert one(refused("0,5 euro"), how) == refused("0,5 euro")


def test_a_fix_for_another_code_is_not_made() -> None:
    how = pricing(read_row=read_row, fixes={"other": (COMMA,)})
    assert one(refused("0,5"), how) == refused("0,5")


def test_fixes_of_two_codes_cure_a_row_one_after_the_other() -> None:
    """The comma is mended in the source's row; then the usage waits for a rate, and its currency is mended."""
    euro = Fix("no_exchange_rate", "currency", FixOperation.SET, "EUR")
    how = pricing(read_row=read_row, source_currency="XXX",
                  fixes={"cost_invalid": (COMMA,), "no_exchange_rate": (euro,)})  # fmt: skip
    found = one(refused("0,5"), how)
    assert isinstance(found, Usage)
    assert found.cost == Decimal("0.55")


def test_a_source_that_cannot_read_rows_again_leaves_them_refused() -> None:
    assert replayed(refused("0,5"), pricing(fixes={"cost_invalid": (COMMA,)})) == refused("0,5")


def test_kept_usage_is_read_back_as_it_was() -> None:
    row = usage("1.50", "EUR", quantity=Decimal("3E+2"), tokens=(("prompt", Decimal(300)),))
    row = row._replace(usage_date=date(2026, 10, 30), charge_date=date(2026, 9, 1), agent_id="a\tb")
    assert usage_of(1, kept(row._asdict())) == row


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("cost", "dear", "no number"),
        ("usage_at", "soon", "no date and time"),
        ("external_id", "", "external_id is missing"),
        ("usage_date", "never-ever", "no date"),
        ("tokens", "many", "cannot be read"),
    ],
)
def test_a_kept_row_that_was_mended_badly_says_what_is_wrong(
    field: str, value: str, said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        usage_of(1, kept(usage("1")._asdict()) | {field: value})
