"""The checks on one row of the cost tracker's export, in order, and what a refused row shows.

Owns the names of the tracker's fields, the refusal codes and their sentences.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

from chargeback.days import parse_instant
from chargeback.errors import Invalid
from chargeback.sources.contract import Refusal, Usage
from chargeback.sources.row_checks import (
    checked_cost,
    checked_id,
    checked_name,
    checked_quantity,
    no_object,
    refuse_text,
    shown,
    shown_id,
    storable,
)

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
# Metadata may hold the question somebody asked; only these keys are kept or shown.
_SHOWN_METADATA = ("team_id", "user_id", "account_id", "cost_center", "query_length")
_Fields = Mapping[str, Any]


def checked(position: int, record: Any, owner_tag: str | None) -> Usage | Refusal:
    """The usage that the row states, or the first thing that is wrong with it."""
    if not isinstance(record, dict):
        return no_object(position, record)
    try:
        return _usage(position, record, owner_tag)
    except Invalid as fault:
        return _refusal(position, record, fault, owner_tag)


def misfit(position: int, columns: int, cells: Sequence[str]) -> Refusal:
    """The refusal of a CSV row with too few or too many cells; none of them can be trusted."""
    code = "row_short" if len(cells) < columns else "row_long"
    reason = f"The row has {len(cells)} cells where the header has {columns}; mend its commas."
    # Cells beyond the header could be anything, a question somebody asked included.
    row = {"cells": [shown(cell) for cell in cells[:columns]]}
    return Refusal(position, shown_id(cells[0]), None, code, reason, row, None)


def _usage(position: int, record: _Fields, owner_tag: str | None) -> Usage:
    external_id = checked_id(record.get("call_id"), "call_id", "call_id")
    cost = checked_cost(record.get("cost_usd"), "cost_usd")
    usage_at = _usage_at(record)
    quantity = checked_quantity(record.get("total_tokens"), "total_tokens")
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
        # Only what costs nothing at its source may be priced by ours.
        tokens=() if cost else _tokens(record),
    )


def _tokens(record: _Fields) -> tuple[tuple[str, Decimal], ...]:
    """How many tokens of each kind; one that is no count is left out, the total has its own check."""
    found = []
    for kind in ("prompt", "completion"):
        with suppress(Invalid):
            name = f"{kind}_tokens"
            found.append((kind, checked_quantity(record.get(name), name)))
    return tuple(found)


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
    value = None if key is None else checked_name(metadata.get(key), "owner_tag", "owner_tag")
    if value is None:
        return None
    refuse_text(tag := f"{key}={value}", "owner_tag", "owner_tag")
    return tag


def _text(fields: _Fields, key: str) -> str | None:
    return checked_name(fields.get(key), key, key)


def _refusal(position: int, record: _Fields, fault: Invalid, owner_tag: str | None) -> Refusal:
    usage_at = raw_cost = None
    with suppress(Invalid):
        usage_at = _usage_at(record)
    with suppress(Invalid):
        raw_cost = checked_cost(record.get("cost_usd"), "cost_usd")
    row = {key: shown(record[key]) for key in FIELDS if key in record}
    metadata = record.get("metadata")
    if isinstance(metadata, dict):
        keys = dict.fromkeys((*_SHOWN_METADATA, owner_tag))
        row["metadata"] = {key: shown(metadata[key]) for key in keys if key in metadata}
    reason = storable(fault.message)
    return Refusal(
        position, shown_id(record.get("call_id")), usage_at, fault.code, reason, row, raw_cost
    )
