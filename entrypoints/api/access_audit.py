"""The audit log, for admins: who did what to what, and why, newest first."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from chargeback.ledger import audit
from chargeback.ledger.audit import Told
from chargeback.periods import Period
from chargeback.settings import settings
from entrypoints.api.access import Governor, books
from entrypoints.api.answers import answer
from entrypoints.api.documented import READING, answers
from entrypoints.api.requests_in import Cursor, Route, bad_cursor, read_cursor, write_cursor
from entrypoints.api.shapes import Instant
from entrypoints.api.wire import instant

routes = APIRouter(tags=["audit"], route_class=Route)

MOST_ENTRIES = 1000
LARGEST_SEQ_DIGITS = 18

Text = Annotated[str | None, Query(min_length=1, max_length=511)]


class AuditEntry(BaseModel):
    """One change: before and after are what changed of the subject; `hash` covers the entry and the one before it."""

    seq: int
    at: Instant
    actor: str
    action: str
    subject_kind: str
    subject_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None
    run_id: str | None
    hash: str


class AuditList(BaseModel):
    """Entries, newest first."""

    entries: list[AuditEntry]
    next_cursor: str | None


@routes.get("/audit", responses=answers(AuditList, READING))
def list_audit(
    caller: Governor,
    subject_kind: Annotated[
        Text, Query(description="What was changed: invoice, rule, token, …")
    ] = None,
    subject_id: Annotated[
        Text, Query(description="Which one: an invoice's number, a rule's id, …")
    ] = None,
    actor: Annotated[Text, Query(description="Who did it, like token:ci.")] = None,
    action: Annotated[
        Text, Query(description="What was done: invoice.sent, or all of invoice.")
    ] = None,
    period: Annotated[Text, Query(description="When: a month or days, like 2026-10.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ENTRIES, description="Entries, at most.")] = 100,
    cursor: Cursor = None,
) -> Response:
    """Who did what to what, and why; newest first."""
    days = Period.parse(period) if period else None
    since, until = days.instants(settings().zone) if days else (None, None)
    wanted = audit.Wanted(subject_kind, subject_id, actor, action, since, until)
    with books(caller, is_snapshot=True) as connection:
        found = audit.listed(connection, wanted, limit + 1, _older_than(cursor))
    goes_on = write_cursor(found[limit - 1].seq) if len(found) > limit else None
    return answer({"entries": [_entry(told) for told in found[:limit]], "next_cursor": goes_on})


def _older_than(cursor: str | None) -> int | None:
    """The entry a cursor names. Raises Invalid for one that no answer gave."""
    if cursor is None:
        return None
    (seq,) = read_cursor(cursor, 1)
    if not (seq.isascii() and seq.isdecimal() and len(seq) <= LARGEST_SEQ_DIGITS):
        raise bad_cursor()
    return int(seq)


def _entry(told: Told) -> dict[str, Any]:
    return {**asdict(told), "at": instant(told.at)}
