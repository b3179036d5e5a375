"""Refused rows: kept whole until somebody decides. Owns looking at them and waiving; `replay` books them after all."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from chargeback.errors import Invalid, NotFound, Refused
from chargeback.ledger import audit
from chargeback.periods import Period

_ASKED = """(CAST(:state AS text) IS NULL OR q.state = :state) AND (CAST(:source AS text) IS NULL OR s.name = :source)
    AND (CAST(:code AS text) IS NULL OR q.code = :code)"""


def rows(
    connection: Connection,
    state: str | None = "open",
    limit: int = 1000,
    source: str | None = None,
    code: str | None = None,
) -> list[Any]:
    """Refused rows, oldest first, with their source's name; None for any state, source or code."""
    return list(
        connection.execute(
            text(f"""SELECT q.*, s.name AS source FROM usage_quarantine q JOIN usage_sources s USING (source_id)
                     WHERE {_ASKED} ORDER BY quarantine_id LIMIT :limit"""),  # noqa: S608 - made of constants only
            {"state": state, "limit": limit, "source": source, "code": code},
        )
    )


def summary(connection: Connection, state: str | None = "open") -> list[Any]:
    """How many rows of each source were refused with which code, what they say they cost, and of which days."""
    return list(
        connection.execute(
            text(f"""SELECT s.name AS source, q.code, q.currency, count(*) AS rows, sum(q.raw_cost) AS raw_cost,
                         min(q.usage_date) AS first_date, max(q.usage_date) AS last_date
                     FROM usage_quarantine q JOIN usage_sources s USING (source_id)
                     WHERE {_ASKED} GROUP BY s.name, q.code, q.currency
                     ORDER BY s.name COLLATE "C", count(*) DESC, q.code COLLATE "C" """),  # noqa: S608
            {"state": state, "source": None, "code": None},
        )
    )


def find(connection: Connection, quarantine_id: int) -> Any:
    """One refused row. Raises NotFound."""
    row = connection.execute(
        text("""SELECT q.*, s.name AS source FROM usage_quarantine q JOIN usage_sources s USING (source_id)
                WHERE quarantine_id = :id"""),
        {"id": quarantine_id},
    ).first()
    if row is None:
        raise NotFound(
            "quarantine_not_found",
            f"there is no quarantined row {quarantine_id}; `chargeback quarantine list` lists them",
        )
    return row


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
    waive_all(connection, [quarantine_id], reason, actor)


def waive_all(connection: Connection, ids: Sequence[int], reason: str, actor: str) -> int:
    """The same of several rows, all or none; how many they are."""
    if not reason.strip():
        raise Invalid(
            "reason_missing",
            f"say why row {', '.join(map(str, ids)) or 'none'} is waived: --reason '...'",
        )
    entries = []
    for quarantine_id in sorted(set(ids)):
        waived = connection.execute(
            text("""UPDATE usage_quarantine SET state = 'waived', decided_at = now(), decided_by = :actor,
                        decision = :reason WHERE quarantine_id = :id AND state = 'open'"""),
            {"id": quarantine_id, "actor": actor, "reason": reason},
        ).rowcount
        if not waived:
            row = find(connection, quarantine_id)
            raise Refused(
                "quarantine_decided",
                f"quarantined row {quarantine_id} is {row.state} already ({row.decision})",
            )
        before, after = {"state": "open"}, {"state": "waived"}
        subject = "quarantine", str(quarantine_id)
        entries.append(audit.Entry(actor, "quarantine.waived", *subject, before, after, reason))
    audit.append(connection, *entries)
    return len(entries)
