"""Draft and issue invoices, and sweep those past due."""

from collections import Counter
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from chargeback.errors import Refused
from chargeback.ledger import (
    approvals,
    claims,
    invoices,
    issuing,
    payers,
    quarantine,
    waiting_snapshots,
)
from chargeback.ledger.allocation import allocate
from chargeback.ledger.database import transaction
from chargeback.ledger.drafting import draft_one, draft_run
from chargeback.payer import Payer
from chargeback.periods import Period
from tasks.steps import step


@step("draft invoices of {period}")
def draft_invoices(period: str, business_date: date, actor: str) -> dict[str, Any]:
    """Draft, or refresh, an invoice per team and per user charged alone, all in one transaction.

    Rerun: the same drafts with the same numbers; payers whose period was issued get no second one.
    """
    asked = Period.parse(period)
    with transaction() as connection:
        drafted = draft_run(connection, asked, business_date, actor)
        foreign = claims.foreign_drafts(connection, asked)
    outcomes = Counter(draft.outcome for draft in drafted)
    return {**outcomes, "invoices": len(drafted), "foreign_drafts": foreign}


@step("draft invoice of {payer} for {period}")
def draft_invoice(
    payer: Payer, period: str, business_date: date, actor: str, number: str | None
) -> dict[str, Any]:
    """Draft, or refresh, one payer's invoice, with every day up to the period's end allocated first.

    Rerun: the same draft, refreshed; where it was issued and nothing is left, the issued one.
    """
    asked = Period.parse(period)
    with transaction() as connection:
        payers.check_known(connection, payer)
    allocate(asked.end)
    with transaction() as connection:
        drafted = draft_one(connection, payer, asked, business_date, actor, number)
        (view,) = invoices.views(connection, [drafted.invoice_id])
    return {
        "invoice_id": view.invoice_id, "number": view.number, "outcome": drafted.outcome,
        "status": view.status.value, "total": f"{view.total:f}", "currency": view.currency,
        "held_elsewhere": [[number, f"{amount:f}"] for number, amount in view.held_elsewhere],
    }  # fmt: skip


@step("issue invoices of {period}")
def issue_invoices(period: str, business_date: date, actor: str) -> dict[str, Any]:
    """Send the drafts that an invoice-run made for the period; what waits for a decision stops it.

    Rerun: what was sent stays as it is. Raises Refused while refused rows or snapshots wait for a decision.
    """
    asked = Period.parse(period)
    with transaction() as connection:
        _refuse_undecided(connection, asked)
        # Locked while they are looked for: another run may issue them, and somebody pay one, meanwhile.
        ids = connection.execute(
            text("""SELECT invoice_id FROM invoices WHERE kind = 'invoice' AND is_from_run AND status = 'draft'
                      AND period_start = :start AND period_end = :end ORDER BY invoice_id FOR UPDATE"""),
            {"start": asked.start, "end": asked.end},
        ).scalars()
        moved = issuing.issue(connection, list(ids), business_date, actor)
    return _issued(moved)


@step("look at the drafts of {period}")
def look_at_drafts(period: str, run_id: str) -> dict[str, Any]:
    """What waits to be approved: numbers, total, and the hash that a decision is about. Rerun: only reads.

    Also what was decided about exactly these in this run. Raises Refused while refused rows wait for a decision.
    """
    asked = Period.parse(period)
    with transaction() as connection:
        found = approvals.drafts(connection, asked)
        if found.ids:
            _refuse_undecided(connection, asked)
        made = approvals.decision_of(connection, UUID(run_id), found.hash)
    return {
        "drafts": len(found.ids), "total": f"{found.total:,.2f} {found.currency}", "hash": found.hash,
        "numbers": list(found.numbers),
        "decision": made.decision if made else None, "decided_by": made.decided_by if made else None,
        "note": made.note if made else None,
    }  # fmt: skip


@step("approve the drafts of {period}")
def approve_drafts(
    period: str, shown: str | None, business_date: date, by: str, note: str, run_id: str | None
) -> dict[str, Any]:
    """Issue the drafts that `by` approved, through pending. Rerun: what was sent stays as it is.

    Raises Refused where they are not those that were shown.
    """
    asked = Period.parse(period)
    with transaction() as connection:
        _refuse_undecided(connection, asked)
        given = UUID(run_id) if run_id else None
        moved = approvals.approve(connection, asked, shown, business_date, by, note, given)
    return _issued(moved)


@step("reject the drafts of {period}")
def reject_drafts(
    period: str, shown: str | None, by: str, note: str, run_id: str | None
) -> dict[str, Any]:
    """Note that `by` rejected the drafts, and why. Rerun: refused where they changed since."""
    asked = Period.parse(period)
    with transaction() as connection:
        found = approvals.reject(
            connection, asked, shown, by, note, UUID(run_id) if run_id else None
        )
    return {"rejected": len(found.ids)}


def _issued(moved: list[issuing.Moved]) -> dict[str, Any]:
    numbers = [one.number for one in moved if one.has_changed]
    return {"issued": len(numbers), "numbers": numbers}


def _refuse_undecided(connection: Connection, period: Period) -> None:
    waiting = quarantine.open_count(connection, period)
    if waiting:
        raise Refused(
            "quarantine_open",
            f"{waiting} refused usage rows of {period.label} wait for a decision, so its invoices stay drafts; "
            "look at them with `chargeback quarantine list`, mend or waive them, then run this again",
        )
    if undecided := waiting_snapshots.waiting_count(connection, period):
        raise Refused(
            "snapshots_waiting",
            f"{undecided} deliveries of {period.label} wait for a decision, so its invoices stay drafts; "
            "look at them with `chargeback snapshots list`, accept or reject them, then run this again",
        )


@step("sweep as of {as_of}")
def sweep_overdue(as_of: date, actor: str) -> dict[str, Any]:
    """Mark sent invoices past their due date overdue. Rerun: what is overdue stays so."""
    with transaction() as connection:
        overdue = issuing.sweep(connection, as_of, actor)
    return {"overdue": len(overdue), "numbers": overdue}
