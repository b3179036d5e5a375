"""What one row of the cost tracker's export means: usage, or the first reason why it is none.

Owns the short way for rows as the tracker writes them; `tracker_checks` decides about all others.
Knows no file and no window.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from chargeback.days import FIRST_YEAR, LAST_YEAR
from chargeback.sources.contract import Refusal, Usage
from chargeback.sources.tracker_checks import FIELDS, UNIT, checked

_MOST_TEXTS = 100_000
_LIMIT = 10**19
_FIRST = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
_AFTER_LAST = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
_is_usual_instant = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z", re.ASCII).fullmatch
_is_usual_number = re.compile(r"-?\d{1,18}(?:\.\d{1,30})?", re.ASCII).fullmatch
_is_usual_count = re.compile(r"\d{1,18}", re.ASCII).fullmatch
# Days of its own, another currency and kinds of tokens: this tracker has none.
_NO_MORE = (None, None, None, (), None)
_FAULTS = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError)


class TrackerRows:
    """Reads the rows of one delivery.

    Almost every row is as the tracker writes it and takes a short way that accepts nothing else;
    any doubt sends the row the long way, which decides alone and names what is wrong.
    """

    def __init__(self, owner_tag: str | None) -> None:
        self._owner_tag = owner_tag
        # Texts that passed the checks: few, and repeated in every row.
        self._texts: dict[str | None, str | None] = {None: None, "": None}
        self._types: dict[str, str] = {}
        self._tags: dict[str | None, str | None] = {None: None, "": None}

    def of_record(self, position: int, record: Any) -> Usage | Refusal:
        """What the JSON value `record` means."""
        try:
            return self._usual_record(position, record)
        except _FAULTS:
            return self._long_way(position, record)

    def of_cells(self, position: int, cells: list[str]) -> Usage | Refusal:
        """What the CSV row means whose `cells` are in the order of the tracker's columns."""
        try:
            return self._usual_cells(position, cells)
        except _FAULTS:
            return self._long_way(position, dict(zip(FIELDS, cells, strict=True)))

    def _usual_record(self, position: int, record: Any) -> Usage:
        cost, tokens = record["cost_usd"], record["total_tokens"]
        # One that prints so short and is not minute is far inside what the ledger keeps.
        if cost.__class__ is not Decimal or len(str(cost)) > 40 or cost.adjusted() < -20:
            raise ValueError
        # What costs nothing goes the long way, which tells its kinds of tokens.
        if not cost or tokens.__class__ is not int:
            raise ValueError
        if not (-_LIMIT < cost < _LIMIT and 0 <= tokens < _LIMIT):
            raise ValueError
        metadata, texts = record["metadata"], self._texts
        return Usage._make(
            (
                position,
                _usual_id(record["call_id"]),
                _usual_instant(record["timestamp"]),
                texts[metadata.get("team_id")],
                texts[metadata.get("user_id")],
                texts[record["agent_id"]],
                texts[metadata.get("account_id")],
                self._tags[metadata.get(self._owner_tag)],
                self._types[record["operation_type"]],
                texts[record["model"]],
                UNIT,
                Decimal(tokens),
                cost,
                *_NO_MORE,
            )
        )

    def _usual_cells(self, position: int, cells: list[str]) -> Usage:
        call_id, instant, _, model, agent_id, _, _, tokens, written, operation_type = cells
        if not _is_usual_number(written) or not _is_usual_count(tokens):
            raise ValueError
        texts, cost = self._texts, Decimal(written)
        if not cost:
            raise ValueError
        return Usage._make(
            (
                position,
                _usual_id(call_id),
                _usual_instant(instant),
                None,
                None,
                texts[agent_id],
                None,
                None,
                self._types[operation_type],
                texts[model],
                UNIT,
                Decimal(tokens),
                cost,
                *_NO_MORE,
            )
        )

    def _long_way(self, position: int, record: Any) -> Usage | Refusal:
        found = checked(position, record, self._owner_tag)
        if isinstance(found, Usage) and self._remembered < _MOST_TEXTS:
            self._remember(found, record)
        return found

    @property
    def _remembered(self) -> int:
        return len(self._texts) + len(self._types) + len(self._tags)

    def _remember(self, usage: Usage, record: dict[str, Any]) -> None:
        self._types[usage.resource_type] = usage.resource_type
        for text in usage.team_id, usage.user_id, usage.agent_id, usage.account_id, usage.sku:
            self._texts[text] = text
        if usage.owner_tag is not None:
            self._tags[record["metadata"][self._owner_tag]] = usage.owner_tag


def _usual_id(call_id: str) -> str:
    # Printable ASCII has neither NUL nor surrogates.
    if call_id.isascii() and call_id.isprintable() and len(call_id) <= 255 and call_id[0] != " ":
        return call_id
    raise ValueError


def _usual_instant(text: str) -> datetime:
    if not _is_usual_instant(text):
        raise ValueError
    instant = datetime.fromisoformat(text)
    if not _FIRST <= instant < _AFTER_LAST:
        raise ValueError
    return instant
