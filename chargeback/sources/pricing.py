"""What usage costs in the ledger: converted where its source counts in another currency, priced by our own rate card
where its source says nothing, refused where neither can be told; and refused rows mended by the fixes people made.

Pure: everything it knows is given to it. Almost every row passes as it is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from chargeback import money
from chargeback.errors import Invalid
from chargeback.rate_card import RateCard
from chargeback.row_fixes import Fix, mended
from chargeback.sources.contract import Original, Refusal, Usage
from chargeback.sources.kept_usage import day_in, refusal_of, usage_of
from models.enums import ZeroCost

NO_EXCHANGE_RATE, NO_RATE, ZERO_COST = "no_exchange_rate", "no_rate", "zero_cost"
PRICED_CODES = (NO_EXCHANGE_RATE, NO_RATE, ZERO_COST)
"""The refusals of this stage; what cures them is a rate, or another decision about what costs nothing."""

_ONE = Decimal(1)
_MOST_FIXES_IN_A_ROW = 10
ReadRow = Callable[[int, Mapping[str, Any]], Usage | Refusal]


@dataclass
class Seen:
    """What a reading met: rows with tokens that cost nothing, and how many of them our rates priced."""

    free: int = 0
    repriced: int = 0


@dataclass(frozen=True)
class Pricing:
    """Everything that decides what one source's usage costs.

    `currency` is the ledger's, `source_currency` what the source counts in where a row says nothing else.
    `exchange` is what one unit of a currency is in a month, by its first day. `read_row` reads a row of the
    source's own again; None where it cannot.
    """

    currency: str
    source_currency: str
    zone: ZoneInfo
    zero_cost: ZeroCost | None = None
    rate_card: RateCard = field(default_factory=lambda: RateCard(()))
    exchange: Mapping[tuple[date, str], Decimal] = field(default_factory=dict)
    fixes: Mapping[str, tuple[Fix, ...]] = field(default_factory=dict)
    read_row: ReadRow | None = None


def priced(
    rows: Iterable[Usage | Refusal], pricing: Pricing, seen: Seen | None = None
) -> Iterator[Usage | Refusal]:
    """The rows, each with what it costs in the ledger's currency, or refused with the reason.

    `seen` counts what costs nothing. The order stays, and so does every row.
    """
    seen = seen or Seen()
    is_ours = pricing.source_currency == pricing.currency
    for row in rows:
        # The way of almost all rows, written out because it is taken once per record.
        if is_ours and row.__class__ is Usage and row[12] and row[15] is None:
            yield row
        elif isinstance(row, Refusal):
            yield again(row, pricing, seen)
        else:
            yield _settled(_price(row, pricing, seen), pricing, seen)


def again(refusal: Refusal, pricing: Pricing, seen: Seen | None = None) -> Usage | Refusal:
    """What a row is that its source refused, after the fixes for it; without any the same refusal."""
    foreign = refusal.currency or pricing.source_currency
    refusal = refusal._replace(currency=None if foreign == pricing.currency else foreign)
    return _settled(refusal, pricing, seen or Seen())


def converted(usage: Usage, pricing: Pricing) -> Usage | Refusal:
    """The usage in the ledger's currency at its month's rate, or refused for want of one."""
    foreign = usage.currency or pricing.source_currency
    own = usage._replace(currency=None if foreign == pricing.currency else foreign)
    try:
        return _converted(own, pricing)
    except Invalid as fault:
        return refusal_of(own, fault.code, fault.message)


def replayed(refusal: Refusal, pricing: Pricing) -> Usage | Refusal:
    """What a quarantined row is today: read again, priced again, with the fixes that are made by now."""
    return _settled(_reread(refusal, pricing, Seen()), pricing, Seen())


def _settled(found: Usage | Refusal, pricing: Pricing, seen: Seen) -> Usage | Refusal:
    """The row once all fixes for it are made; refused as it first was where they do not cure it."""
    first = found
    for _ in range(_MOST_FIXES_IN_A_ROW):
        if isinstance(found, Usage):
            return found
        fixes = pricing.fixes.get(found.code)
        row = mended(found.row, fixes) if fixes else None
        if row is None:
            return first
        found = _reread(found._replace(row=row), pricing, seen)
    return found if isinstance(found, Usage) else first


def _reread(refusal: Refusal, pricing: Pricing, seen: Seen) -> Usage | Refusal:
    read = usage_of if refusal.is_read else pricing.read_row
    if read is None:
        return refusal
    try:
        found = read(refusal.position, refusal.row)
    except Invalid as fault:
        return refusal._replace(code=fault.code, reason=fault.message)
    if isinstance(found, Refusal):
        return found._replace(currency=refusal.currency)
    return _price(found, pricing, seen)


def _price(usage: Usage, pricing: Pricing, seen: Seen) -> Usage | Refusal:
    """The usage with its cost in the ledger's currency, or why it has none."""
    foreign = usage.currency or pricing.source_currency
    currency = None if foreign == pricing.currency else foreign
    usage = usage._replace(currency=currency)
    try:
        money.enter(usage.cost)
        money.enter(usage.quantity)
        if not usage.cost and _has_tokens(usage):
            seen.free += 1
            return _zero_cost(usage, pricing, seen)
        return _converted(usage, pricing)
    except Invalid as fault:
        refusal = refusal_of(usage, fault.code, fault.message)
        if currency is None and pricing.source_currency != pricing.currency:
            # Read again without one, it would be in its source's.
            refusal.row["currency"] = pricing.currency
        return refusal


def _has_tokens(usage: Usage) -> bool:
    if any(count > 0 for _, count in usage.tokens):
        return True
    return usage.quantity > 0 and usage.unit.lower() == "tokens"


def _zero_cost(usage: Usage, pricing: Pricing, seen: Seen) -> Usage | Refusal:
    if pricing.zero_cost is ZeroCost.QUARANTINE:
        raise Invalid(
            ZERO_COST,
            f"usage {usage.external_id} has {usage.quantity:f} {usage.unit} of {usage.sku or 'no model'} and costs "
            "nothing; waive it, set its cost with a fix, or decide with `chargeback sources zero-cost`",
        )
    if pricing.zero_cost is not ZeroCost.REPRICE:
        return _converted(usage, pricing)
    day = day_in(usage, pricing.zone)
    cost = pricing.rate_card.cost(usage.sku, day, usage.tokens, usage.quantity)
    money.enter(cost)
    seen.repriced += 1
    return _told(usage, Original(usage.cost, usage.currency, _rate(usage, pricing), cost))


def _converted(usage: Usage, pricing: Pricing) -> Usage:
    if usage.currency is None:
        return usage
    rate = _rate(usage, pricing)
    return _told(usage, Original(usage.cost, usage.currency, rate, Decimal(0)))


def _rate(usage: Usage, pricing: Pricing) -> Decimal:
    if usage.currency is None:
        return _ONE
    month = day_in(usage, pricing.zone).replace(day=1)
    rate = pricing.exchange.get((month, usage.currency))
    if rate is None:
        raise Invalid(
            NO_EXCHANGE_RATE,
            f"there is no rate of {usage.currency} for {month:%Y-%m}; "
            "add it with `chargeback exchange-rates import`: the row is replayed then, or a snapshot synced again",
        )
    return rate


def _told(usage: Usage, original: Original) -> Usage:
    converted = money.EXACT.multiply(original.cost, original.rate)
    cost = money.EXACT.add(converted, original.repriced)
    money.enter(cost)
    return usage._replace(cost=cost, original=original)
