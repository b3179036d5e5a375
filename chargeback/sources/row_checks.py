"""Checks on single values of any source's row, and how a refused value is shown.

Owns what the ledger can keep as a name, a cost and a quantity. A check names the field as the source
calls it; `code` is stable.
"""

import re
from decimal import Decimal
from typing import Any

from chargeback.errors import Invalid
from chargeback.money import ZERO, decimal_of, enter, fits
from chargeback.sources.contract import Refusal

LONGEST_TEXT = 255
LONGEST_SHOWN = 2_000
_JSON_TYPES = {str: "text", list: "a list", bool: "a boolean", type(None): "null"}
NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


def checked_name(given: Any, field: str, code: str) -> str | None:
    """A name exactly as it was given, never trimmed; none where it is empty."""
    if given is None or given == "":
        return None
    refuse_text(given, field, code)
    if given != given.strip():
        raise Invalid(f"{code}_invalid", f"{field} has white space around it; remove it.")
    return str(given)


def checked_id(given: Any, field: str, code: str) -> str:
    """What the source calls the row. Raises Invalid where it has no name or one that cannot be kept."""
    if given is None or (isinstance(given, str) and not given.strip()):
        raise Invalid(f"{code}_missing", f"{field} is missing; give every call one.")
    refuse_text(given, field, code)
    return str(given)


def checked_cost(given: Any, field: str) -> Decimal:
    """What the row costs, every digit of it."""
    if given is None or given == "":
        raise Invalid("cost_missing", f"{field} is missing; write 0 if the call was free.")
    cost = _number(given, field, "cost")
    try:
        enter(cost)
    except Invalid as fault:
        raise Invalid("cost_out_of_range", f"{field}: {fault}") from None
    return cost or ZERO


def checked_quantity(given: Any, field: str, *, may_be_negative: bool = False) -> Decimal:
    """How much was used; none stated is none used."""
    if given is None or given == "":
        return ZERO
    quantity = _number(given, field, "quantity")
    if quantity < 0 and not may_be_negative:
        raise Invalid("quantity_negative", f"{field} is below zero; give zero or more.")
    if not fits(quantity):
        raise Invalid(
            "quantity_out_of_range",
            f"{field} has more than 20 digits or 18 decimals; give a shorter number.",
        )
    return quantity or ZERO


def _number(given: Any, field: str, code: str) -> Decimal:
    try:
        return decimal_of(shown(given) if isinstance(given, dict | list) else given)
    except Invalid as fault:
        raise Invalid(f"{code}_invalid", f"{field}: {fault}") from None


def refuse_text(value: Any, field: str, code: str) -> None:
    """Raise Invalid where the ledger could not keep `value` as a name."""
    fault = None
    if not isinstance(value, str):
        fault = "is no text; write it in quotes"
    elif len(value) > LONGEST_TEXT:
        fault = f"has {len(value)} characters; give {LONGEST_TEXT} at most"
    elif NOT_STORABLE.search(value):
        fault = "has a NUL or a broken character; export it as UTF-8"
    if fault:
        raise Invalid(f"{code}_invalid", f"{field} {fault}.")


def no_object(position: int, record: Any) -> Refusal:
    """The refusal of a JSON value that is no object, so that nothing of it can be read."""
    kind = _JSON_TYPES.get(type(record), "a number")
    reason = f"The record is {kind} and no object; write one object per call."
    return Refusal(position, None, None, "record_invalid", reason, {"type": kind}, None)


def shown(value: Any) -> Any:
    """The value as JSON and Postgres can keep it: no digit of a number is lost, no name is huge."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict | list):
        return "(an object)" if isinstance(value, dict) else "(a list)"
    text = storable(str(value))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def storable(text: str) -> str:
    """The text with what Postgres cannot keep written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def shown_id(given: Any) -> str | None:
    """The row's name as a refusal keeps it, cut to what a name may be."""
    return str(shown(given))[:LONGEST_TEXT] if given and isinstance(given, str) else None
