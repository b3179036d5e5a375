"""Writing drafts: header, lines and claims, set-based; one invoice or a thousand take the same statements.

Works on `payers` and `wanted`, which `claims` fills.
"""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.identity import public_id
from chargeback.ledger import claims
from chargeback.ledger.document_numbers import check_free, take_numbers
from chargeback.ledger.drafts import Draft, Line
from chargeback.ledger.staging import stage
from chargeback.numbering import Series
from chargeback.periods import Period
from chargeback.settings import settings
from models.enums import LineCause


def write_drafts(
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
    """The lines of each draft: usage first, then late months; by cause, resource type and unit."""
    by_place = {draft.place: draft for draft in drafts}
    corrected = _corrected_documents(connection)
    rows = connection.execute(
        text("""SELECT w.*, r.reason FROM (
                    SELECT place, late_month, cause, reallocation_id, resource_type, unit, sum(quantity), sum(cost)
                    FROM wanted GROUP BY place, late_month, cause, reallocation_id, resource_type, unit) w
                LEFT JOIN reallocations r USING (reallocation_id)
                ORDER BY place, late_month NULLS FIRST, array_position(ARRAY['usage', 'correction'], cause),
                    reallocation_id, resource_type COLLATE "C", unit COLLATE "C" """)
    )
    for row in rows:
        late_month, cause, *facts = row[1:]
        corrects = corrected.get(tuple(row[:6]), ())
        by_place[row.place].lines.append(Line(late_month, LineCause(cause), *(*facts, corrects)))


def _corrected_documents(connection: Connection) -> dict[tuple[Any, ...], tuple[str, ...]]:
    """Per line to be, the documents that bill the same payer for what it corrects."""
    found = connection.execute(
        text("""SELECT w.place, w.late_month, w.cause, w.reallocation_id, w.resource_type, w.unit,
                    array_agg(DISTINCT i.number ORDER BY i.number)
                FROM wanted w JOIN allocations a USING (allocation_id)
                JOIN allocations o ON o.pool_id = w.of_pool_id AND o.team_id IS NOT DISTINCT FROM a.team_id
                    AND o.user_id IS NOT DISTINCT FROM a.user_id
                JOIN line_allocations c ON c.allocation_id = o.allocation_id AND c.released_by_line_id IS NULL
                JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
                WHERE w.cause <> 'usage' AND i.status <> 'draft' GROUP BY 1, 2, 3, 4, 5, 6""")
    )
    return {tuple(row[:6]): tuple(row[6]) for row in found}


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
                         line.late_month, line.cause.value, line.reallocation_id, line.resource_type, line.unit,
                         line.description(period),
                         draft.payer.team_id, f"{line.quantity:f}", f"{line.exact:f}", f"{amount:f}"))  # fmt: skip
    stage(
        connection, "lines",
        """place integer, invoice_id bigint, position integer, kind text, late_month date, cause text,
           reallocation_id bigint, resource_type text, unit text, description text, team_id text,
           quantity numeric, exact_amount numeric, amount numeric""",
        rows,
    )  # fmt: skip
    connection.execute(
        text("""INSERT INTO invoice_lines (invoice_id, position, kind, late_month, cause, resource_type, unit,
                    description, team_id, quantity, exact_amount, amount)
                SELECT invoice_id, position, kind, late_month, cause, resource_type, unit, description,
                    team_id, quantity, exact_amount, amount FROM lines""")
    )
    connection.execute(
        text("""INSERT INTO line_allocations (line_id, allocation_id)
                SELECT l.line_id, w.allocation_id
                FROM wanted w
                JOIN lines s ON s.place = w.place AND s.resource_type = w.resource_type AND s.unit = w.unit
                    AND coalesce(s.late_month, '9999-12-31') = coalesce(w.late_month, '9999-12-31')
                    AND s.cause = w.cause AND coalesce(s.reallocation_id, 0) = coalesce(w.reallocation_id, 0)
                JOIN invoice_lines l ON l.invoice_id = s.invoice_id AND l.position = s.position""")
    )
