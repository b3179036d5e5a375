"""Usage as somebody posts it, one JSON object per fact: what it means, or why it means nothing.

Owns the fields of the HTTP door and their refusals. Booking is the ledger's.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final, NamedTuple

from chargeback import exact_json, money
from chargeback.days import parse_instant
from chargeback.errors import Invalid
from chargeback.quoting import quoted
from chargeback.rule_reading import LONGEST_ID, id_of
from chargeback.storable import is_storable

UNIT: Final = "units"
RESOURCE_TYPE: Final = "query"
MOST_METADATA_BYTES: Final = 64 * 1024
_FUTURE: Final = timedelta(hours=24)
FIELDS: Final = ("team_id", "user_id", "agent_id", "account_id", "resource_type", "resource_id", "quantity", "unit",
                 "cost_usd", "timestamp", "usage_id", "metadata")  # fmt: skip


class Posted(NamedTuple):
    """One fact as it was posted; `usage_id` None where the sender gave none, `usage_at` None where no time.

    Units: `cost` in the ledger's currency with every digit sent, `quantity` in `unit`.
    """

    usage_id: str | None
    usage_at: datetime | None
    team_id: str | None
    user_id: str | None
    agent_id: str | None
    account_id: str | None
    resource_type: str
    unit: str
    quantity: Decimal
    cost: Decimal
    resource_id: str | None
    metadata: dict[str, Any] | None

    @property
    def has_notes(self) -> bool:
        """Whether it says anything that decides no money."""
        return self.resource_id is not None or self.metadata is not None


def read(body: object, now: datetime) -> Posted:
    """The fact that `body` states. Raises Invalid, naming the field and what to write instead."""
    fields = an_object(body, FIELDS)
    cost = _cost(fields)
    return Posted(
        usage_id(fields.get("usage_id")),
        _usage_at(fields.get("timestamp"), now),
        _name(fields, "team_id"),
        _name(fields, "user_id"),
        _name(fields, "agent_id"),
        _name(fields, "account_id"),
        _name(fields, "resource_type") or RESOURCE_TYPE,
        _name(fields, "unit") or UNIT,
        _quantity(fields, cost),
        cost,
        _name(fields, "resource_id"),
        _metadata(fields.get("metadata")),
    )


def an_object(body: object, known: Iterable[str] | None = None) -> Mapping[str, Any]:
    """`body` as an object that has no other fields than these; an unknown one is named with the nearest."""
    if not isinstance(body, Mapping):
        raise Invalid("body_invalid", f"{quoted(body)} is no JSON object; write one with fields.")
    names = tuple(body if known is None else known)
    for name in body:
        if name not in names:
            close = get_close_matches(str(name), names, n=1)
            remedy = f"did you mean {close[0]}" if close else f"the fields are {', '.join(names)}"
            raise Invalid("field_unknown", f"there is no field {quoted(name)}; {remedy}.")
    return body


def usage_id(value: object) -> str | None:
    """An id as it was sent, or None. Raises Invalid for what is no text of 1 to 255 characters."""
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_ID or not is_storable(value):
        raise Invalid(
            "usage_id_invalid",
            f"usage_id {quoted(value)} is no text of 1 to {LONGEST_ID} characters; "
            "give one, or leave it out to get one.",
        )
    return value


def both(start: str | None, end: str | None) -> tuple[str, str]:
    """Both ends of a period. Raises Invalid where one is missing."""
    if start is None or end is None:
        missing = "period_start" if start is None else "period_end"
        raise Invalid("period_invalid", f"{missing} is missing; give both ends or neither.")
    return start, end


def _name(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    return _known_id(value, name) if isinstance(value, str) else id_of(value, name)


@lru_cache(maxsize=65_536)
def _known_id(value: str, name: str) -> str:
    """The same as `id_of`, looked at once: few names are in many rows."""
    return id_of(value, name)


def _cost(fields: Mapping[str, Any]) -> Decimal:
    if fields.get("cost_usd") is None:
        raise Invalid("cost_missing", "cost_usd is missing; write 0 if the usage was free.")
    return _number(fields["cost_usd"], "cost_usd", "cost_invalid")


def _quantity(fields: Mapping[str, Any], cost: Decimal) -> Decimal:
    if fields.get("quantity") is None:
        return money.ZERO
    quantity = _number(fields["quantity"], "quantity", "quantity_invalid")
    if quantity < 0 < cost:
        raise Invalid(
            "quantity_invalid",
            f"quantity {quantity} is below zero and cost_usd {cost} is not; give both the same sign.",
        )
    return quantity


def _number(value: object, name: str, code: str) -> Decimal:
    try:
        number = money.decimal_of(value)
        money.enter(number)
    except Invalid as fault:
        raise Invalid(code, f"{name}: {fault}") from None
    return number or money.ZERO


def _usage_at(value: object, now: datetime) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Invalid("timestamp_invalid", f"timestamp {quoted(value)} is no text; write ISO 8601.")
    usage_at = parse_instant(value)
    if usage_at > now + _FUTURE:
        raise Invalid(
            "timestamp_invalid",
            f"timestamp {quoted(value)} is more than a day in the future; give when it was used.",
        )
    return usage_at


def _metadata(value: object) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Invalid(
            "metadata_invalid", f"metadata {quoted(value)} is no object; write keys and values."
        )
    if len(exact_json.dumps(value)) > MOST_METADATA_BYTES:
        raise Invalid("metadata_invalid", "metadata is larger than 64 KB; keep less in it.")
    return value
