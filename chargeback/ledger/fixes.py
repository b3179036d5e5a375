"""The fixes that people made for refused rows, as they are kept.

Owns making and ending them. What a fix does to a row is `chargeback.row_fixes`; nothing is booked by one
alone, `replay` does that.
"""

from collections import defaultdict
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from chargeback.errors import Invalid, NotFound, Refused
from chargeback.ledger import audit
from chargeback.row_fixes import Fix
from models.enums import FixOperation


class KeptFix(NamedTuple):
    """A fix with who made it, why and when, and whether it applies no more."""

    fix_id: int
    source: str
    fix: Fix
    reason: str
    made_by: str
    made_at: datetime
    ended_at: datetime | None


def fixes(connection: Connection) -> list[KeptFix]:
    """All of them, those that ended too, in the order they were made and are applied."""
    rows = connection.execute(
        text(
            """SELECT f.*, s.name FROM intake_fixes f JOIN usage_sources s USING (source_id) ORDER BY fix_id"""
        )
    )
    return [
        KeptFix(row.fix_id, row.name, _fix(row), row.reason, row.made_by, row.made_at, row.ended_at)
        for row in rows
    ]


def in_force(connection: Connection, source: str) -> dict[str, tuple[Fix, ...]]:
    """The fixes of a source that apply, by the code they are for."""
    found: dict[str, list[Fix]] = defaultdict(list)
    for kept in fixes(connection):
        if kept.source == source and kept.ended_at is None:
            found[kept.fix.code].append(kept.fix)
    return {code: tuple(every) for code, every in found.items()}


def _fix(row: Any) -> Fix:
    return Fix(
        row.code, row.field, FixOperation(row.operation), row.new_text, row.old_text, row.where_field, row.where_value
    )  # fmt: skip


def make(
    connection: Connection, source_id: int, source: str, fix: Fix, reason: str, actor: str
) -> int:
    """Keep a fix for the rows of one source and code; its number. The same again is refused.

    Raises Invalid without a reason or for a fix that can change nothing.
    """
    if not reason.strip():
        raise Invalid("reason_missing", "say why these rows are changed: --reason '...'")
    if not fix.code or not fix.field or fix.old_text == "" or fix.old_text == fix.new_text:
        raise Invalid(
            "fix_invalid",
            "the fix changes nothing; name a code, a field and two texts that are not the same",
        )
    for kept in fixes(connection):
        if kept.source == source and kept.fix == fix and kept.ended_at is None:
            raise Refused("fix_exists", f"fix {kept.fix_id} of {source} says the same already")
    fix_id: int = connection.execute(
        text("""INSERT INTO intake_fixes (source_id, code, field, operation, old_text, new_text, where_field,
                    where_value, reason, made_by)
                VALUES (:source_id, :code, :field, :operation, :old_text, :new_text, :where_field, :where_value,
                    :reason, :actor) RETURNING fix_id"""),
        {**asdict(fix), "operation": fix.operation.value, "source_id": source_id, "reason": reason, "actor": actor},
    ).scalar_one()  # fmt: skip
    audit.append(
        connection,
        audit.Entry(actor, "fix.made", "fix", str(fix_id), None, {"source": source, **asdict(fix)}, reason),
    )  # fmt: skip
    return fix_id


def end(connection: Connection, fix_id: int, reason: str, actor: str) -> None:
    """Let a fix apply no more; what was booked by it stays. Raises NotFound, Refused when it has ended."""
    ended = connection.execute(
        text("""UPDATE intake_fixes SET ended_at = now(), ended_by = :actor
                WHERE fix_id = :id AND ended_at IS NULL"""),
        {"id": fix_id, "actor": actor},
    ).rowcount
    if not ended:
        known = {kept.fix_id for kept in fixes(connection)}
        if fix_id not in known:
            raise NotFound(
                "fix_not_found",
                f"there is no fix {fix_id}; `chargeback quarantine fixes` lists them",
            )
        raise Refused("fix_ended", f"fix {fix_id} has ended already")
    audit.append(
        connection, audit.Entry(actor, "fix.ended", "fix", str(fix_id), None, None, reason)
    )
