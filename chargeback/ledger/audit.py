"""The audit log: who changed what, when and why, in one hash chain.

Owns appending, reading and proving it. The chain itself is built in Postgres (`audit_append`), under the lock of
its head row, which every transaction takes last.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from chargeback.ledger.invariants.audit_chain import CHAIN_UNBROKEN


@dataclass(frozen=True)
class Entry:
    """One change: `before` and `after` are what changed of the subject, as JSON values."""

    actor: str
    action: str
    subject_kind: str
    subject_id: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    reason: str | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class Told:
    """An entry as it stands in the log; `hash` covers it and the one before it."""

    seq: int
    at: datetime
    actor: str
    action: str
    subject_kind: str
    subject_id: str
    before: Any
    after: Any
    reason: str | None
    run_id: str | None
    hash: str


@dataclass(frozen=True)
class Wanted:
    """Which entries are asked for; `action` may be a whole one or its first word (`invoice`). None: any."""

    subject_kind: str | None = None
    subject_id: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Circumstances:
    """What holds of all that is told meanwhile: the run that does it, and why it is done."""

    run_id: str | None = None
    reason: str | None = None


_ORDINARY = Circumstances()
_circumstances: ContextVar[Circumstances] = ContextVar("circumstances", default=_ORDINARY)


@contextmanager
def within(run_id: str | None = None, reason: str | None = None) -> Iterator[None]:
    """Entries appended in the block bear this run and, where they have none of their own, this reason."""
    held = _circumstances.get()
    token = _circumstances.set(Circumstances(run_id or held.run_id, reason or held.reason))
    try:
        yield
    finally:
        _circumstances.reset(token)


def append(connection: Connection, *entries: Entry) -> None:
    """Write the entries in the transaction of the change they tell of, as its last act."""
    if not entries:
        return
    held = _circumstances.get()
    told = [
        replace(one, run_id=one.run_id or held.run_id, reason=one.reason or held.reason)
        for one in entries
    ]
    body = json.dumps([asdict(entry) for entry in told], default=str)
    connection.execute(text("SELECT audit_append(CAST(:entries AS jsonb))"), {"entries": body})


_WAITING = "audit entries that wait for the transaction's end"


def later(connection: Connection, *entries: Entry) -> None:
    """As `append`, at the end of the transaction: for changes made before other locks are taken."""
    connection.info.setdefault(_WAITING, []).extend(entries)


@contextmanager
def told_at_end(connection: Connection) -> Iterator[None]:
    """What waits is appended when the block ends; nothing is when it raises."""
    connection.info.pop(
        _WAITING, None
    )  # A pooled connection may bear what a failed transaction left.
    yield
    append(connection, *connection.info.pop(_WAITING, ()))


def history(connection: Connection, subject_kind: str, subject_id: str) -> list[dict[str, Any]]:
    """What was done to one subject, oldest first: when, by whom, what changed and why."""
    rows = connection.execute(
        text("""SELECT at, actor, action, before, after, reason FROM audit_log
                WHERE subject_kind = :kind AND subject_id = :id ORDER BY seq"""),
        {"kind": subject_kind, "id": subject_id},
    )
    return [dict(row) for row in rows.mappings()]


_LISTED = text("""
    SELECT seq, at, actor, action, subject_kind, subject_id, before, after, reason, run_id, encode(hash, 'hex') AS hash
    FROM audit_log
    WHERE (CAST(:subject_kind AS text) IS NULL OR subject_kind = :subject_kind)
      AND (CAST(:subject_id AS text) IS NULL OR subject_id = :subject_id)
      AND (CAST(:actor AS text) IS NULL OR actor = :actor)
      AND (CAST(:action AS text) IS NULL OR action = :action OR split_part(action, '.', 1) = :action)
      AND (CAST(:since AS timestamptz) IS NULL OR at >= :since)
      AND (CAST(:until AS timestamptz) IS NULL OR at < :until)
      AND (CAST(:older_than AS bigint) IS NULL OR seq < :older_than)
    ORDER BY seq DESC LIMIT :limit
""")


def listed(
    connection: Connection, wanted: Wanted, limit: int, older_than: int | None = None
) -> list[Told]:
    """The newest `limit` entries that are wanted and, where given, older than entry `older_than`; newest first."""
    asked = {**asdict(wanted), "limit": limit, "older_than": older_than}
    return [Told(**row) for row in connection.execute(_LISTED, asked).mappings()]


def broken(connection: Connection) -> list[str]:
    """What breaks the chain, as sentences, the first entry that is not as it was written first; empty: nothing."""
    entries, head = CHAIN_UNBROKEN.queries
    found = connection.execute(text(f"{entries} ORDER BY seq")).scalars().all()
    return [*found, *connection.execute(text(head)).scalars()]


def head(connection: Connection) -> tuple[int, str]:
    """Where the chain ends: the number and hash of its newest entry.

    Kept elsewhere, they prove later that nothing before them was rewritten, not even by who rules the database.
    """
    row = connection.execute(text("SELECT seq, encode(hash, 'hex') FROM audit_head")).one()
    return row[0], row[1]
