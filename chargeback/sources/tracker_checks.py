"""The checks on one row of the cost tracker's export, in order, and what a refused row shows.

Owns the names of the tracker's fields, the refusal codes and their sentences.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

from chargeback.days import parse_instant
from chargeback.errors import Invalid
from chargeback.money import ZERO, decimal_of, enter, fits
from chargeback.sources.contract import Refusal, Usage

COLUMNS = {
    "Call ID": "call_id",
    "Timestamp": "timestamp",
    "Provider": "provider",
    "Model": "model",
    "Agent ID": "agent_id",
    "Prompt Tokens": "prompt_tokens",
    "Completion Tokens": "completion_tokens",
    "Total Tokens": "total_tokens",
    "Cost (USD)": "cost_usd",
    "Operation Type": "operation_type",
}
FIELDS = tuple(COLUMNS.values())
UNIT = "Tokens"
LONGEST_TEXT = 255
LONGEST_SHOWN = 2_000
# Metadata may hold the question somebody asked; only these keys are kept or shown.
_SHOWN_METADATA = ("team_id", "user_id", "account_id", "cost_center", "query_length")
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
_JSON_TYPES = {str: "text", list: "a list", bool: "a boolean", type(None): "null"}
_Fields = Mapping[str, Any]


def checked(position: int, record: Any, owner_tag: str | None) -> Usage | Refusal:
    """The usage that the row states, or the first thing that is wrong with it."""
    if not isinstance(record, dict):
        kind = _JSON_TYPES.get(type(record), "a number")
        reason = f"The record is {kind} and no object; write one object per call."
        return Refusal(position, None, None, "record_invalid", reason, {"type": kind}, None)
    try:
        return _usage(position, record, owner_tag)
    except Invalid as fault:
        return _refusal(position, record, fault, owner_tag)


def misfit(position: int, columns: int, cells: Sequence[str]) -> Refusal:
    """The refusal of a CSV row with too few or too many cells; none of them can be trusted."""
    code = "row_short" if len(cells) < columns else "row_long"
    reason = f"The row has {len(cells)} cells where the header has {columns}; mend its commas."
    # Cells beyond the header could be anything, a question somebody asked included.
    row = {"cells": [_shown(cell) for cell in cells[:columns]]}
    return Refusal(position, _shown_id(cells[0]), None, code, reason, row, None)


def _usage(position: int, record: _Fields, owner_tag: str | None) -> Usage:
    external_id = _call_id(record)
    cost = _cost(record)
    usage_at = _usage_at(record)
    quantity = _quantity(record)
    metadata = _metadata(record)
    return Usage(
        position,
        external_id,
        usage_at,
        _text(metadata, "team_id"),
        _text(metadata, "user_id"),
        _text(record, "agent_id"),
        _text(metadata, "account_id"),
        _tag(metadata, owner_tag),
        _resource_type(record),
        _text(record, "model"),
        UNIT,
        quantity,
        cost,
        tokens=_tokens(record),
    )


def _call_id(record: _Fields) -> str:
    call_id = record.get("call_id")
    if call_id is None or (isinstance(call_id, str) and not call_id.strip()):
        raise Invalid("call_id_missing", "call_id is missing; give every call one.")
    _refuse_text("call_id", call_id)
    return str(call_id)


def _cost(record: _Fields) -> Decimal:
    given = record.get("cost_usd")
    if given is None or given == "":
        raise Invalid("cost_missing", "cost_usd is missing; write 0 if the call was free.")
    cost = _number("cost_usd", given, "cost_invalid")
    try:
        enter(cost)
    except Invalid as fault:
        raise Invalid("cost_out_of_range", f"cost_usd: {fault}") from None
    return cost or ZERO


def _quantity(record: _Fields) -> Decimal:
    """The tokens; none stated is none used."""
    given = record.get("total_tokens")
    if given is None or given == "":
        return ZERO
    quantity = _number("total_tokens", given, "quantity_invalid")
    if quantity < 0:
        raise Invalid("quantity_negative", "total_tokens is below zero; give zero or more.")
    if not fits(quantity):
        raise Invalid(
            "quantity_out_of_range",
            "total_tokens has more than 20 digits or 18 decimals; give the number of tokens.",
        )
    return quantity or ZERO


def _tokens(record: _Fields) -> tuple[tuple[str, Decimal], ...]:
    """How many tokens of each kind; one that is no count is left out, the total has its own check."""
    found = []
    for kind in ("prompt", "completion"):
        with suppress(Invalid):
            count = _number("tokens", record.get(f"{kind}_tokens"), "quantity_invalid")
            found.append((kind, count))
    return tuple(found)


def _number(field: str, given: Any, code: str) -> Decimal:
    try:
        return decimal_of(_shown(given) if isinstance(given, dict | list) else given)
    except Invalid as fault:
        raise Invalid(code, f"{field}: {fault}") from None


def _usage_at(record: _Fields) -> datetime:
    given = record.get("timestamp")
    if given is None or given == "":
        raise Invalid("timestamp_missing", "timestamp is missing; give the time of the call.")
    if not isinstance(given, str):
        raise Invalid("timestamp_invalid", "timestamp is no text; write it like ISO 8601.")
    try:
        return parse_instant(given)
    except Invalid as fault:
        raise Invalid("timestamp_invalid", f"timestamp: {fault}") from None


def _metadata(record: _Fields) -> _Fields:
    metadata = record.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise Invalid("metadata_invalid", "metadata is no object; write keys and values.")
    return metadata or {}


def _resource_type(record: _Fields) -> str:
    resource_type = _text(record, "operation_type")
    if resource_type is None:
        raise Invalid("operation_type_missing", "operation_type is missing; name what was done.")
    return resource_type


def _tag(metadata: _Fields, key: str | None) -> str | None:
    value = None if key is None else _text(metadata, key, "owner_tag")
    if value is None:
        return None
    _refuse_text("owner_tag", tag := f"{key}={value}")
    return tag


def _text(fields: _Fields, key: str, name: str | None = None) -> str | None:
    """A name exactly as it was given, never trimmed; none where it is empty."""
    value = fields.get(key)
    if value is None or value == "":
        return None
    name = name or key
    _refuse_text(name, value)
    if value != value.strip():
        raise Invalid(f"{name}_invalid", f"{name} has white space around it; remove it.")
    return str(value)


def _refuse_text(name: str, value: Any) -> None:
    """Raise Invalid where the ledger could not keep `value` as a name."""
    fault = None
    if not isinstance(value, str):
        fault = "is no text; write it in quotes"
    elif len(value) > LONGEST_TEXT:
        fault = f"has {len(value)} characters; give {LONGEST_TEXT} at most"
    elif _NOT_STORABLE.search(value):
        fault = "has a NUL or a broken character; export it as UTF-8"
    if fault:
        raise Invalid(f"{name}_invalid", f"{name} {fault}.")


def _refusal(position: int, record: _Fields, fault: Invalid, owner_tag: str | None) -> Refusal:
    usage_at = raw_cost = None
    with suppress(Invalid):
        usage_at = _usage_at(record)
    with suppress(Invalid):
        raw_cost = _cost(record)
    row = {key: _shown(record[key]) for key in FIELDS if key in record}
    metadata = record.get("metadata")
    if isinstance(metadata, dict):
        keys = dict.fromkeys((*_SHOWN_METADATA, owner_tag))
        row["metadata"] = {key: _shown(metadata[key]) for key in keys if key in metadata}
    reason = _storable(fault.message)
    return Refusal(
        position, _shown_id(record.get("call_id")), usage_at, fault.code, reason, row, raw_cost
    )


def _shown(value: Any) -> Any:
    """The value as JSON and Postgres can keep it: no digit of a number is lost, no name is huge."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict | list):
        return "(an object)" if isinstance(value, dict) else "(a list)"
    text = _storable(str(value))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _shown_id(call_id: Any) -> str | None:
    return str(_shown(call_id))[:LONGEST_TEXT] if call_id and isinstance(call_id, str) else None
