"""Decisions about the drafts of a period: what was shown to whom, what they said, and what became of it.

Owns the hash that says which drafts a decision is about. A decision about drafts that changed since is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.errors import Invalid, Refused
from chargeback.ledger import audit, issuing
from chargeback.ledger.issuing import Moved
from chargeback.periods import Period
from models.enums import InvoiceStatus


@dataclass(frozen=True)
class Drafts:
    """The drafts of a period as they stand; `hash` is of their numbers and of all that they say.

    Units: `total` as printed, all of them together.
    """

    ids: tuple[int, ...]
    numbers: tuple[str, ...]
    total: Decimal
    currency: str
    hash: str


_DRAFTS = text("""
    SELECT invoice_id, number, total, currency, invoice_content_hash(invoice_id) AS content FROM (
        SELECT * FROM invoices WHERE kind = 'invoice' AND is_from_run AND status IN ('draft', 'pending')
            AND period_start = :start AND period_end = :end ORDER BY invoice_id FOR UPDATE) drafts
    ORDER BY invoice_id
""")


def drafts(connection: Connection, period: Period) -> Drafts:
    """What an invoice-run drafted for the period and nobody issued yet; locked until the transaction ends."""
    rows = connection.execute(_DRAFTS, {"start": period.start, "end": period.end}).all()
    said = sorted(f"{row.number} {bytes(row.content).hex()}" for row in rows)
    return Drafts(
        tuple(row.invoice_id for row in rows),
        tuple(row.number for row in rows),
        money.exact_sum(row.total for row in rows),
        rows[0].currency if rows else "",
        sha256("\n".join(said).encode()).hexdigest(),
    )


def approve(
    connection: Connection,
    period: Period,
    shown: str | None,
    business_date: date,
    by: str,
    note: str | None = None,
    run_id: UUID | None = None,
) -> list[Moved]:
    """Approve the drafts and issue them: each goes from draft to pending to sent, told by `by`.

    `shown` is the hash of what the person saw; None takes the drafts as they are now. Rerun: without drafts
    nothing is left to do. Raises Refused where the drafts are not those that were shown, or are stale.
    """
    found = drafts(connection, period)
    if not found.ids:
        return []
    _refuse_changed(found, period, shown)
    issuing.submit(connection, found.ids, by, note or "approved")
    moved = issuing.issue(connection, found.ids, business_date, by, note or "approved")
    _keep(connection, period, found, "approved", by, note, run_id)
    return moved


def reject(
    connection: Connection,
    period: Period,
    shown: str | None,
    by: str,
    note: str,
    run_id: UUID | None = None,
) -> Drafts:
    """Reject the drafts: those that were pending are drafts again, to be mended and drafted anew.

    Rerun: what was decided about these drafts in this run stays decided, once. Raises Invalid without a reason,
    Refused where there is nothing to reject or the drafts changed since.
    """
    if not note.strip():
        raise Invalid(
            "reason_missing", f"say why the drafts of {period.label} are rejected: --reason '...'"
        )
    # Days are locked before documents, so what goes back to draft marks its days first.
    pending = _pending(connection, period)
    for invoice_id in pending:
        issuing.mark_days(connection, invoice_id)
    found = drafts(connection, period)
    if not found.ids:
        raise Refused(
            "nothing_to_decide",
            f"no draft of {period.label} waits for a decision; `chargeback status {period.label}` shows its documents",
        )
    _refuse_changed(found, period, shown)
    if run_id is not None and decision_of(connection, run_id, found.hash):
        return found
    for invoice_id in pending:
        issuing.move(connection, invoice_id, InvoiceStatus.DRAFT, period.end, by, note)
    _keep(connection, period, found, "rejected", by, note, run_id)
    return found


def decision_of(connection: Connection, run_id: UUID, drafts_hash: str) -> Any:
    """What was decided in this run about exactly these drafts; None where it was not."""
    return connection.execute(
        text("""SELECT decision, decided_by, note FROM approvals
                WHERE run_id = :run_id AND drafts_hash = decode(:hash, 'hex') ORDER BY approval_id DESC LIMIT 1"""),
        {"run_id": run_id, "hash": drafts_hash},
    ).first()


def decisions(connection: Connection, period: Period) -> Sequence[Any]:
    """Every decision about drafts of the period, oldest first."""
    return connection.execute(
        text("""SELECT decision, decided_by, decided_at, note, numbers, total, encode(drafts_hash, 'hex') AS hash
                FROM approvals WHERE period_start = :start AND period_end = :end ORDER BY approval_id"""),
        {"start": period.start, "end": period.end},
    ).all()


def _pending(connection: Connection, period: Period) -> list[int]:
    return list(
        connection.execute(
            text("""SELECT invoice_id FROM invoices WHERE kind = 'invoice' AND is_from_run AND status = 'pending'
                      AND period_start = :start AND period_end = :end ORDER BY invoice_id"""),
            {"start": period.start, "end": period.end},
        ).scalars()
    )


def _refuse_changed(found: Drafts, period: Period, shown: str | None) -> None:
    if shown is not None and shown != found.hash:
        raise Refused(
            "drafts_changed",
            f"the drafts of {period.label} are not those that were shown ({shown[:12]} then, {found.hash[:12]} now); "
            "look at them again, then decide",
        )


def _keep(
    connection: Connection,
    period: Period,
    found: Drafts,
    decision: str,
    by: str,
    note: str | None,
    run_id: UUID | None,
) -> None:
    connection.execute(
        text("""INSERT INTO approvals (period_start, period_end, drafts_hash, numbers, total, decision, decided_by,
                    note, run_id)
                VALUES (:start, :end, decode(:hash, 'hex'), :numbers, :total, :decision, :by, :note, :run_id)"""),
        {"start": period.start, "end": period.end, "hash": found.hash, "numbers": list(found.numbers),
         "total": found.total, "decision": decision, "by": by, "note": note, "run_id": run_id},
    )  # fmt: skip
    after = {"drafts": len(found.numbers), "total": f"{found.total:f}", "hash": found.hash}
    audit.append(
        connection, audit.Entry(by, f"drafts.{decision}", "period", period.label, None, after, note)
    )
