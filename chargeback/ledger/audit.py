"""The audit log: who changed what, when and why, in one hash chain.

Owns appending. The chain itself is built in Postgres (`audit_append`), under the lock of its head row,
which every transaction takes last.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text


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


def append(connection: Connection, *entries: Entry) -> None:
    """Write the entries in the transaction of the change they tell of, as its last act."""
    if entries:
        body = json.dumps([asdict(entry) for entry in entries], default=str)
        connection.execute(text("SELECT audit_append(CAST(:entries AS jsonb))"), {"entries": body})


def history(connection: Connection, subject_kind: str, subject_id: str) -> list[dict[str, Any]]:
    """What was done to one subject, oldest first: when, by whom, what changed and why."""
    rows = connection.execute(
        text("""SELECT at, actor, action, before, after, reason FROM audit_log
                WHERE subject_kind = :kind AND subject_id = :id ORDER BY seq"""),
        {"kind": subject_kind, "id": subject_id},
    )
    return [dict(row) for row in rows.mappings()]
