"""Drafting invoices: what each claims, its lines, its totals, its number.

Owns drafts. How a document moves on is `issuing`'s, what it looks like the documents'. Drafting is
set-based: one invoice or a thousand take the same statements.
Locks, in order: days by date, open drafts by id, the number counter, the audit head.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection, text

from chargeback import money, numbering
from chargeback.errors import Refused
from chargeback.ledger import audit, claims, ledger_settings
from chargeback.ledger.draft_writing import write_drafts
from chargeback.ledger.drafts import Draft, lock_open, open_drafts
from chargeback.payer import Payer
from chargeback.periods import Period


@dataclass(frozen=True)
class Drafted:
    """What drafting did for a payer: `made`, `refreshed`, `unchanged`, or `issued` before and nothing left."""

    payer: Payer
    invoice_id: int
    number: str
    total: Decimal
    outcome: str


def draft_one(
    connection: Connection,
    payer: Payer,
    period: Period,
    business_date: date,
    actor: str,
    number: str | None = None,
) -> Drafted:
    """Draft, or refresh, one payer's invoice for a period; without cost it is an invoice of 0.

    Where the period was issued already and nothing is left, the issued one is the answer.
    Rerun: the same draft, refreshed. Raises Refused when it is pending, or `number` is taken or not its own.
    """
    given = None if number is None else numbering.given(number)
    claims.lock_days(connection, period)
    return _draft(connection, [payer], period, business_date, actor, given)[0]


def draft_run(
    connection: Connection, period: Period, business_date: date, actor: str
) -> list[Drafted]:
    """Draft, or refresh, one invoice per team and one per user charged alone, numbered in payer order.

    A payer whose period was issued, or waits for approval, gets no second one.
    Rerun: the same drafts with the same numbers, refreshed.
    """
    claims.lock_days(connection, period)
    lock_open(connection, period)
    payers = claims.run_payers(connection, period)
    return (
        _draft(connection, payers, period, business_date, actor, None, is_run=True)
        if payers
        else []
    )


def _draft(
    connection: Connection,
    payers: Sequence[Payer],
    period: Period,
    business_date: date,
    actor: str,
    number: str | None,
    is_run: bool = False,
) -> list[Drafted]:
    ledger_settings.check(connection)
    claims.stage_payers(connection, payers)
    drafts = open_drafts(connection, payers, period, is_run)
    for draft in drafts:
        _refuse_other_number(draft, period, number)
    claims.find_wanted(connection, payers, period, is_run)
    wanting = set(connection.execute(text("SELECT DISTINCT place FROM wanted")).scalars())
    done, rebuilt = [], []
    for draft in drafts:
        is_new = draft.invoice_id is None
        if (
            is_new
            and not is_run
            and draft.place not in wanting
            and (issued := _issued(connection, draft.payer, period))
        ):
            _refuse_number_of_issued(issued, period, number)
            done.append(issued)
        elif is_new or draft.is_outdated or draft.place in wanting:
            rebuilt.append(draft)
        else:
            _adopt(connection, draft, is_run)
            done.append(_drafted(connection, draft, "unchanged"))
    if rebuilt:
        outcomes = {d.place: "refreshed" if d.invoice_id else "made" for d in rebuilt}
        write_drafts(connection, rebuilt, period, business_date, number, is_run)
        made = [_drafted(connection, draft, outcomes[draft.place]) for draft in rebuilt]
        audit.append(connection, *(_entry(drafted, actor) for drafted in made))
        done += made
    place = {payer: n for n, payer in enumerate(payers)}
    return sorted(done, key=lambda drafted: place[drafted.payer])


def _entry(drafted: Drafted, actor: str) -> audit.Entry:
    action = "invoice.drafted" if drafted.outcome == "made" else "invoice.refreshed"
    after = {"status": "draft", "total": f"{money.EXACT.normalize(drafted.total):f}"}
    return audit.Entry(actor, action, "invoice", drafted.number, None, after)


def _refuse_other_number(draft: Draft, period: Period, number: str | None) -> None:
    if draft.invoice_id is not None and number not in (None, draft.number):
        raise Refused(
            "number_kept",
            f"{draft.payer} has draft {draft.number} for {period.label}, which keeps its number and cannot become "
            f"{number}; draft it without a number to refresh it, or cancel it first",
        )


def _refuse_number_of_issued(issued: Drafted, period: Period, number: str | None) -> None:
    if number not in (None, issued.number):
        raise Refused(
            "number_kept",
            f"{issued.payer} was billed for {period.label} on {issued.number} and nothing is left for {number}; "
            "leave the number away to see that invoice, or cancel it first",
        )


def _issued(connection: Connection, payer: Payer, period: Period) -> Drafted | None:
    row = connection.execute(
        text("""SELECT invoice_id, number, total FROM invoices
                WHERE kind = 'invoice' AND status IN ('sent', 'overdue', 'paid') AND scope = :scope
                  AND team_id IS NOT DISTINCT FROM :team AND user_id IS NOT DISTINCT FROM :user
                  AND period_start = :start AND period_end = :end ORDER BY occurrence DESC LIMIT 1"""),
        {"scope": payer.scope.value, "team": payer.team_id, "user": payer.user_id,
         "start": period.start, "end": period.end},
    ).first()  # fmt: skip
    return Drafted(payer, row.invoice_id, row.number, row.total, "issued") if row else None


def _adopt(connection: Connection, draft: Draft, is_run: bool) -> None:
    """A run takes over a draft somebody made by hand for the same payer and period."""
    if is_run and not draft.is_from_run:
        connection.execute(
            text("UPDATE invoices SET is_from_run = true WHERE invoice_id = :id"),
            {"id": draft.invoice_id},
        )


def _drafted(connection: Connection, draft: Draft, outcome: str) -> Drafted:
    assert draft.invoice_id is not None, "a draft that was written has an id"
    total = connection.execute(
        text("SELECT total FROM invoices WHERE invoice_id = :id"), {"id": draft.invoice_id}
    ).scalar_one()
    return Drafted(draft.payer, draft.invoice_id, draft.number, total, outcome)
