"""Drafting invoices: what each claims, its lines, its totals, its number.

Owns drafts. How a document moves on is `issuing`'s, what it looks like the documents'. Drafting is
set-based: one invoice or a thousand take the same statements.
Locks, in order: days by date, open drafts by id, the number counter, the audit head.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from chargeback import money, numbering
from chargeback.errors import Refused
from chargeback.identity import public_id
from chargeback.ledger import audit, claims
from chargeback.ledger.document_numbers import check_free, take_numbers
from chargeback.ledger.staging import stage
from chargeback.numbering import Series
from chargeback.payer import Payer
from chargeback.periods import Period
from chargeback.settings import settings


@dataclass(frozen=True)
class Drafted:
    """What drafting did for a payer: `made`, `refreshed`, `unchanged`, or `issued` before and nothing left."""

    payer: Payer
    invoice_id: int
    number: str
    total: Decimal
    outcome: str


@dataclass(frozen=True)
class Line:
    """One line to be written: everything of one resource type and unit, in the period or late from one month."""

    late_month: date | None
    resource_type: str
    unit: str
    quantity: Decimal
    exact: Decimal

    def description(self, period: Period) -> str:
        """What the line says it is for."""
        if self.late_month is None:
            return f"Usage of {self.resource_type}, {period.label}"
        return f"Late usage for {self.late_month:%Y-%m}: {self.resource_type}"


@dataclass
class Draft:
    """A payer's draft on its way: what is billed to whom, and the document it has or will have."""

    place: int
    payer: Payer
    bill_to: dict[str, Any]
    net_days: int
    tax_rate: Decimal
    invoice_id: int | None = None
    number: str = ""
    ordinal: int | None = None
    is_outdated: bool = False
    is_from_run: bool = False
    occurrence: int = 1
    elsewhere: list[list[str]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


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
    return _draft(connection, [payer], period, business_date, actor, given)[0]


def draft_run(
    connection: Connection, period: Period, business_date: date, actor: str
) -> list[Drafted]:
    """Draft, or refresh, one invoice per team and one per user charged alone, numbered in payer order.

    A payer whose period was issued, or waits for approval, gets no second one.
    Rerun: the same drafts with the same numbers, refreshed.
    """
    claims.lock_days(connection, period)
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
    claims.lock_days(connection, period)
    claims.stage_payers(connection, payers)
    drafts = _open_drafts(connection, payers, period, is_run)
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
            done.append(issued)
        elif is_new or draft.is_outdated or draft.place in wanting:
            rebuilt.append(draft)
        else:
            _adopt(connection, draft, is_run)
            done.append(_drafted(connection, draft, "unchanged"))
    if rebuilt:
        outcomes = {d.place: "refreshed" if d.invoice_id else "made" for d in rebuilt}
        _rebuild(connection, rebuilt, period, business_date, number, is_run)
        made = [_drafted(connection, draft, outcomes[draft.place]) for draft in rebuilt]
        audit.append(connection, *(_entry(drafted, actor) for drafted in made))
        done += made
    place = {payer: n for n, payer in enumerate(payers)}
    return sorted(done, key=lambda drafted: place[drafted.payer])


def _entry(drafted: Drafted, actor: str) -> audit.Entry:
    action = "invoice.drafted" if drafted.outcome == "made" else "invoice.refreshed"
    after = {"status": "draft", "total": f"{drafted.total.normalize():f}"}
    return audit.Entry(actor, action, "invoice", drafted.number, None, after)


def _open_drafts(
    connection: Connection, payers: Sequence[Payer], period: Period, is_run: bool
) -> list[Draft]:
    """Each payer with its billing facts and its open draft, locked. Raises Refused for one that is pending."""
    values = {"start": period.start, "end": period.end}
    open_ones = """FROM invoices i JOIN payers p ON i.scope = p.scope
        AND i.team_id IS NOT DISTINCT FROM p.team_id AND i.user_id IS NOT DISTINCT FROM p.user_id
        WHERE i.kind = 'invoice' AND i.period_start = :start AND i.period_end = :end"""
    held = {
        row.place: row
        for row in connection.execute(
            text(f"""SELECT p.place, i.* {open_ones}
                     AND i.status IN ('draft', 'pending') ORDER BY i.invoice_id FOR UPDATE OF i"""),
            values,
        )
    }
    earlier = dict(
        connection.execute(text(f"SELECT p.place, count(*) {open_ones} GROUP BY p.place"), values)
        .tuples()
        .all()
    )
    elsewhere = claims.held_elsewhere(connection, payers, period, is_run)
    facts = connection.execute(
        text("""
            SELECT p.place, coalesce(t.name, u.name) AS name, coalesce(t.cost_center, u.cost_center) AS cost_center,
                coalesce(t.contact, u.contact) AS contact, coalesce(t.net_days, u.net_days) AS net_days,
                coalesce(t.tax_rate, u.tax_rate, 0) AS tax_rate
            FROM payers p LEFT JOIN teams t ON t.team_id = p.team_id
            LEFT JOIN users u ON u.user_id = p.user_id AND p.team_id IS NULL ORDER BY p.place""")
    )
    drafts = []
    for row in facts:
        payer, draft = payers[row.place], held.get(row.place)
        if draft is not None and draft.status == "pending":
            raise Refused(
                "invoice_pending",
                f"invoice {draft.number} of {payer} for {period.label} is pending and therefore frozen; "
                "send it, or move it back to draft to refresh it",
            )
        bill_to = {"id": payer.team_id or payer.user_id, "name": row.name or str(payer),
                   "cost_center": row.cost_center, "contact": row.contact}  # fmt: skip
        made = Draft(row.place, payer, bill_to, settings().net_days if row.net_days is None else row.net_days,
                     row.tax_rate, occurrence=earlier.get(row.place, 0) + 1,
                     elsewhere=elsewhere.get(row.place, []))  # fmt: skip
        if draft is not None:
            made.invoice_id, made.number = draft.invoice_id, draft.number
            made.is_outdated, made.is_from_run = _is_outdated(draft, made), draft.is_from_run
            made.occurrence = draft.occurrence
        drafts.append(made)
    return drafts


def _is_outdated(held: Any, made: Draft) -> bool:
    """Whether the draft lost claims, or says of its payer or of other documents what is no longer so."""
    said = (held.bill_to, held.net_days, held.tax_rate, held.held_elsewhere)
    is_said_alike = said == (made.bill_to, made.net_days, made.tax_rate, made.elsewhere)
    return bool(held.is_stale) or not is_said_alike


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


def _rebuild(
    connection: Connection,
    drafts: Sequence[Draft],
    period: Period,
    business_date: date,
    number: str | None,
    is_run: bool,
) -> None:
    """Write the drafts anew: header, lines, claims."""
    held = [draft.invoice_id for draft in drafts if draft.invoice_id is not None]
    if held:
        _drop_claims_and_lines(connection, held)
        claims.find_wanted(connection, [draft.payer for draft in drafts], period, is_run)
    _give_numbers(connection, drafts, business_date, number)
    _fill_lines(connection, drafts)
    headers = [_header(draft, period, business_date, is_run) for draft in drafts]
    _write_headers(connection, headers)
    ids = dict(connection.execute(
        text("SELECT h.place, i.invoice_id FROM headers h JOIN invoices i USING (public_id)")
    ).tuples().all())  # fmt: skip
    for draft in drafts:
        draft.invoice_id = ids[draft.place]
    _write_lines_and_claims(connection, drafts, period)


def _drop_claims_and_lines(connection: Connection, invoice_ids: Sequence[int]) -> None:
    for statement in (
        """DELETE FROM line_allocations c USING invoice_lines l
           WHERE l.line_id = c.line_id AND l.invoice_id = ANY (:ids)""",
        "DELETE FROM invoice_lines WHERE invoice_id = ANY (:ids)",
    ):
        connection.execute(text(statement), {"ids": list(invoice_ids)})


def _refuse_other_number(draft: Draft, period: Period, number: str | None) -> None:
    if draft.invoice_id is not None and number not in (None, draft.number):
        raise Refused(
            "number_kept",
            f"{draft.payer} has draft {draft.number} for {period.label}, which keeps its number and cannot become "
            f"{number}; draft it without a number to refresh it, or cancel it first",
        )


def _give_numbers(
    connection: Connection, drafts: Sequence[Draft], business_date: date, number: str | None
) -> None:
    unnumbered = [draft for draft in drafts if draft.invoice_id is None]
    if number is not None and unnumbered:
        check_free(connection, number)
        unnumbered[0].number = number
    elif unnumbered:
        taken = take_numbers(connection, Series.INV, business_date, len(unnumbered))
        for draft, (text_number, ordinal) in zip(unnumbered, taken, strict=True):
            draft.number, draft.ordinal = text_number, ordinal


def _fill_lines(connection: Connection, drafts: Sequence[Draft]) -> None:
    """The lines of each draft: usage first, then late months; by resource type and unit."""
    by_place = {draft.place: draft for draft in drafts}
    rows = connection.execute(
        text("""SELECT place, late_month, resource_type, unit, sum(quantity), sum(cost) FROM wanted
                GROUP BY place, late_month, resource_type, unit
                ORDER BY place, late_month NULLS FIRST, resource_type COLLATE "C", unit COLLATE "C" """)
    )
    for place, *line in rows:
        by_place[place].lines.append(Line(*line))


_HEADERS = """place integer, public_id uuid, number text, series text, ordinal bigint, scope text, team_id text,
    user_id text, period_start date, period_end date, occurrence integer, is_from_run boolean, currency text,
    exact_total numeric, subtotal numeric, rounding_difference numeric, tax_rate numeric, tax numeric, total numeric,
    net_days integer, issue_date date, due_date date, bill_to jsonb, held_elsewhere jsonb, invoice_id bigint"""


def _header(draft: Draft, period: Period, business_date: date, is_run: bool) -> tuple[Any, ...]:
    """The draft's row: the exact sum rounded once, tax once on the subtotal, due date provisional."""
    payer, currency = draft.payer, settings().currency
    exact = money.exact_sum(line.exact for line in draft.lines)
    subtotal = money.to_money(exact, currency)
    tax = money.to_money(money.EXACT.multiply(subtotal, draft.tax_rate), currency)
    named = (
        payer.scope.value,
        payer.team_id,
        payer.user_id,
        period.start.isoformat(),
        period.end.isoformat(),
    )
    return (
        draft.place,
        public_id("invoice", *named, str(draft.occurrence)),
        draft.number, None if draft.ordinal is None else Series.INV.value, draft.ordinal,
        *named, draft.occurrence, is_run or draft.is_from_run, currency,
        f"{exact:f}", f"{subtotal:f}", f"{money.EXACT.subtract(subtotal, exact):f}",
        f"{draft.tax_rate:f}", f"{tax:f}", f"{money.EXACT.add(subtotal, tax):f}",
        draft.net_days, business_date, business_date + timedelta(days=draft.net_days),
        json.dumps(draft.bill_to), json.dumps(draft.elsewhere), draft.invoice_id,
    )  # fmt: skip


_COPIED = """is_from_run, currency, exact_total, subtotal, rounding_difference, tax_rate, tax, total,
    net_days, issue_date, due_date, bill_to, held_elsewhere"""
_INSERT = text(f"""
    INSERT INTO invoices (public_id, kind, number, series, ordinal, status, scope, team_id, user_id,
        period_start, period_end, occurrence, {_COPIED})
    SELECT public_id, 'invoice', number, series, ordinal, 'draft', scope, team_id, user_id,
        period_start, period_end, occurrence, {_COPIED}
    FROM headers WHERE invoice_id IS NULL ORDER BY place
""")  # noqa: S608 - made of constants only
_UPDATE = text(f"""
    UPDATE invoices i SET revision = i.revision + 1, is_stale = false,
        ({_COPIED}) = (SELECT {_COPIED} FROM headers h WHERE h.invoice_id = i.invoice_id)
    WHERE invoice_id IN (SELECT invoice_id FROM headers)
""")  # noqa: S608 - made of constants only


def _write_headers(connection: Connection, headers: Sequence[tuple[Any, ...]]) -> None:
    stage(connection, "headers", _HEADERS, headers)
    connection.execute(_INSERT)
    connection.execute(_UPDATE)


def _write_lines_and_claims(
    connection: Connection, drafts: Sequence[Draft], period: Period
) -> None:
    """The lines, printed so that they add up to the subtotal, and their claims; each allocation once."""
    rows = []
    for draft in drafts:
        exact = [line.exact for line in draft.lines]
        subtotal = money.to_money(money.exact_sum(exact), settings().currency)
        printed = money.apportion(exact, subtotal, settings().currency)
        for position, (line, amount) in enumerate(zip(draft.lines, printed, strict=True), 1):
            rows.append((draft.place, draft.invoice_id, position, "usage" if line.late_month is None else "late",
                         line.late_month, line.resource_type, line.unit, line.description(period),
                         draft.payer.team_id, f"{line.quantity:f}", f"{line.exact:f}", f"{amount:f}"))  # fmt: skip
    stage(
        connection, "lines",
        """place integer, invoice_id bigint, position integer, kind text, late_month date, resource_type text,
           unit text, description text, team_id text, quantity numeric, exact_amount numeric, amount numeric""",
        rows,
    )  # fmt: skip
    connection.execute(
        text("""INSERT INTO invoice_lines (invoice_id, position, kind, late_month, resource_type, unit, description,
                    team_id, quantity, exact_amount, amount)
                SELECT invoice_id, position, kind, late_month, resource_type, unit, description,
                    team_id, quantity, exact_amount, amount FROM lines""")
    )
    connection.execute(
        text("""INSERT INTO line_allocations (line_id, allocation_id)
                SELECT l.line_id, w.allocation_id
                FROM wanted w
                JOIN lines s ON s.place = w.place AND s.resource_type = w.resource_type AND s.unit = w.unit
                    AND coalesce(s.late_month, '9999-12-31') = coalesce(w.late_month, '9999-12-31')
                JOIN invoice_lines l ON l.invoice_id = s.invoice_id AND l.position = s.position""")
    )
