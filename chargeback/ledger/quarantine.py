"""Refused rows: kept whole until somebody decides."""

from typing import Any

from sqlalchemy import Connection, text

from chargeback.errors import Invalid, NotFound, Refused
from chargeback.ledger import audit
from chargeback.periods import Period


def rows(connection: Connection, state: str | None = "open", limit: int = 1000) -> list[Any]:
    """Refused rows, oldest first, with their source's name; `state` None for all."""
    return list(
        connection.execute(
            text("""SELECT q.*, s.name AS source FROM usage_quarantine q JOIN usage_sources s USING (source_id)
                    WHERE CAST(:state AS text) IS NULL OR q.state = :state ORDER BY quarantine_id LIMIT :limit"""),
            {"state": state, "limit": limit},
        )
    )


def open_count(connection: Connection, period: Period) -> int:
    """How many open rows keep the period from closing: its own, and those whose day cannot be read."""
    count: int = connection.execute(
        text("""SELECT count(*) FROM usage_quarantine q JOIN usage_sources s USING (source_id)
                WHERE q.state = 'open' AND s.role = 'allocate'
                  AND (usage_date IS NULL OR (usage_date >= :start AND usage_date < :end))"""),
        {"start": period.start, "end": period.end},
    ).scalar_one()
    return count


def waive(connection: Connection, quarantine_id: int, reason: str, actor: str) -> None:
    """Decide that a refused row is not to be booked; it stays, and counts as waived.

    Raises NotFound, Refused when it is decided already, Invalid without a reason.
    """
    if not reason.strip():
        raise Invalid("reason_missing", f"say why row {quarantine_id} is waived: --reason '...'")
    row = connection.execute(
        text("SELECT * FROM usage_quarantine WHERE quarantine_id = :id FOR UPDATE"),
        {"id": quarantine_id},
    ).first()
    if row is None:
        raise NotFound(
            "quarantine_not_found",
            f"there is no quarantined row {quarantine_id}; `chargeback quarantine list` lists them",
        )
    if row.state != "open":
        raise Refused(
            "quarantine_decided",
            f"quarantined row {quarantine_id} is {row.state} already ({row.decision})",
        )
    connection.execute(
        text("""UPDATE usage_quarantine SET state = 'waived', decided_at = now(), decided_by = :actor,
                    decision = :reason WHERE quarantine_id = :id"""),
        {"id": quarantine_id, "actor": actor, "reason": reason},
    )
    audit.append(
        connection,
        audit.Entry(actor, "quarantine.waived", "quarantine", str(quarantine_id), {"state": "open"},
                    {"state": "waived"}, reason),
    )  # fmt: skip
