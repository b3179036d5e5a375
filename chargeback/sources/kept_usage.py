"""Usage as quarantine keeps it, by its fields in text, and read back from there.

Two rows that say the same are kept alike, however their delivery was cut into batches.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from chargeback import money
from chargeback.days import day_of, parse_day, parse_instant
from chargeback.errors import Invalid
from chargeback.sources.contract import Refusal, Usage

_FIELDS = tuple(name for name in Usage._fields if name not in ("position", "tokens", "original"))


def unpriced(usage: Usage) -> Usage:
    """The usage as its source delivered it, before it was priced."""
    if usage.original is None:
        return usage
    return usage._replace(cost=usage.original.cost, currency=usage.original.currency, original=None)


def kept(usage: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are there; numbers with all their digits and no more zeros than they need."""
    row: dict[str, Any] = {
        name: _written(usage[name]) for name in _FIELDS if usage.get(name) is not None
    }
    if usage.get("tokens"):
        row["tokens"] = {kind: _written(count) for kind, count in usage["tokens"]}
    return row


def _written(value: Any) -> str:
    return money.written(value) if isinstance(value, Decimal) else str(value)


def refusal_of(usage: Usage, code: str, reason: str) -> Refusal:
    """The refusal of usage that could be read, kept as its source delivered it."""
    told = unpriced(usage)
    return Refusal(
        usage.position, usage.external_id, usage.usage_at, code, reason, kept(told._asdict()),
        told.cost, told.currency, is_read=True,
    )  # fmt: skip


def usage_of(position: int, row: Mapping[str, Any]) -> Usage:
    """The usage that a kept row says. Raises Invalid naming the field that cannot be read."""
    try:
        return Usage(
            position,
            _needed(row, "external_id"),
            parse_instant(_needed(row, "usage_at")),
            team_id=_text(row, "team_id"),
            user_id=_text(row, "user_id"),
            agent_id=_text(row, "agent_id"),
            account_id=_text(row, "account_id"),
            owner_tag=_text(row, "owner_tag"),
            resource_type=_needed(row, "resource_type"),
            sku=_text(row, "sku"),
            unit=_needed(row, "unit"),
            quantity=money.decimal_of(_needed(row, "quantity")),
            cost=money.decimal_of(_needed(row, "cost")),
            usage_date=_day(row, "usage_date"),
            charge_date=_day(row, "charge_date"),
            currency=_text(row, "currency"),
            tokens=tuple(
                (kind, money.decimal_of(count)) for kind, count in row.get("tokens", {}).items()
            ),
        )
    except (TypeError, AttributeError) as error:
        raise Invalid("row_invalid", f"the kept row cannot be read ({error}).") from None


def _needed(row: Mapping[str, Any], name: str) -> str:
    if not row.get(name):
        raise Invalid(f"{name}_missing", f"{name} is missing; set it.")
    return str(row[name])


def _text(row: Mapping[str, Any], name: str) -> str | None:
    return str(row[name]) if row.get(name) else None


def _day(row: Mapping[str, Any], name: str) -> date | None:
    # Written as a date, or as an instant whose day it is.
    return parse_day(str(row[name])[:10]) if row.get(name) else None


def day_in(usage: Usage, zone: ZoneInfo) -> date:
    """The day the usage is booked on."""
    return usage.usage_date or day_of(usage.usage_at, zone)
