"""How documents move on: to pending, sent, paid, overdue, cancelled; and the credit note of a cancelled one.

Owns every status change: the transition table says which exist, one guarded UPDATE makes it, an audit row
in the same transaction tells of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from chargeback import invoice_status
from chargeback.errors import NotFound, Refused
from chargeback.identity import public_id
from chargeback.ledger import audit, ledger_settings
from chargeback.ledger.document_numbers import take_numbers
from chargeback.numbering import Series
from chargeback.settings import settings
from models.enums import InvoiceStatus


@dataclass(frozen=True)
class Moved:
    """A document after a move; `has_changed` is False where it stood there already."""

    invoice_id: int
    number: str
    status: InvoiceStatus
    has_changed: bool
    credit_note: str | None = None


def issue(
    connection: Connection,
    invoice_ids: Sequence[int],
    business_date: date,
    actor: str,
    reason: str | None = None,
) -> list[Moved]:
    """Send these documents: dated, hashed, frozen. One with nothing to pay is paid in the same breath.

    Rerun: what was sent stays as it is. Raises Refused, and sends none, when one is stale or no longer
    ties to what it claims, or must be approved first.
    """
    ledger_settings.check(connection)
    rows = _locked(connection, invoice_ids)
    wanted = InvoiceStatus.SENT
    moving = [row for row in rows if _is_move(row, wanted)]
    ids = [row.invoice_id for row in moving]
    _refuse_stale(connection, ids)
    connection.execute(
        text(
            "UPDATE invoices SET issue_date = :on, due_date = :on + net_days WHERE invoice_id = ANY (:ids)"
        ),
        {"on": business_date, "ids": ids},
    )
    connection.execute(
        text("""UPDATE invoices SET status = 'sent', content_hash = invoice_content_hash(invoice_id)
                WHERE invoice_id = ANY (:ids) AND status IN ('draft', 'pending')"""),
        {"ids": ids},
    )
    connection.execute(
        text("""UPDATE invoices SET status = 'paid', paid_date = :on
                WHERE invoice_id = ANY (:ids) AND status = 'sent' AND total <= 0"""),
        {"on": business_date, "ids": ids},
    )
    entries = []
    for row in moving:
        entries.append(_entry(row, row.status, wanted, actor, reason))
        if row.total <= 0:
            entries.append(_entry(row, wanted, InvoiceStatus.PAID, "chargeback", "nothing to pay"))
    audit.append(connection, *entries)
    moved = {row.invoice_id for row in moving}
    return [
        Moved(row.invoice_id, row.number, _after_issue(row, moved), row.invoice_id in moved)
        for row in rows
    ]


def _after_issue(row: Any, moved: set[int]) -> InvoiceStatus:
    if row.invoice_id not in moved:
        return InvoiceStatus(row.status)
    return InvoiceStatus.PAID if row.total <= 0 else InvoiceStatus.SENT


def move(
    connection: Connection,
    invoice_id: int,
    wanted: InvoiceStatus,
    business_date: date,
    actor: str,
    reason: str | None = None,
    is_rebillable: bool = True,
) -> Moved:
    """Move one document to `wanted`; the same status again changes nothing.

    Cancelling after issue makes a credit note and, unless written off (`is_rebillable` False), frees what
    it claimed. Raises Refused for a move that does not exist, naming those that do.
    """
    if wanted is InvoiceStatus.SENT:
        return issue(connection, [invoice_id], business_date, actor, reason)[0]
    if wanted in (InvoiceStatus.CANCELLED, InvoiceStatus.DRAFT):
        mark_days(connection, invoice_id)
    (row,) = _locked(connection, [invoice_id])
    if not _is_move(row, wanted):
        return Moved(row.invoice_id, row.number, InvoiceStatus(row.status), False)
    if wanted is InvoiceStatus.CANCELLED:
        return _cancel(connection, row, business_date, actor, reason, is_rebillable)
    if wanted is InvoiceStatus.PENDING:
        _refuse_stale(connection, [invoice_id])
    _set_status(connection, row, wanted, business_date)
    audit.append(connection, _entry(row, row.status, wanted, actor, reason))
    return Moved(row.invoice_id, row.number, wanted, True)


def submit(
    connection: Connection, invoice_ids: Sequence[int], actor: str, reason: str | None = None
) -> None:
    """Make these drafts pending, all or none: they wait for approval and are frozen meanwhile.

    Rerun: what is pending stays so. Raises Refused when one is stale or has left draft for elsewhere.
    """
    moving = [
        row for row in _locked(connection, invoice_ids) if _is_move(row, InvoiceStatus.PENDING)
    ]
    ids = [row.invoice_id for row in moving]
    _refuse_stale(connection, ids)
    connection.execute(
        text(
            "UPDATE invoices SET status = 'pending' WHERE invoice_id = ANY (:ids) AND status = 'draft'"
        ),
        {"ids": ids},
    )
    audit.append(
        connection,
        *(_entry(row, row.status, InvoiceStatus.PENDING, actor, reason) for row in moving),
    )


def sweep(connection: Connection, as_of: date, actor: str) -> list[str]:
    """Mark every sent invoice whose due date lies before `as_of` overdue; their numbers.

    Rerun: what is overdue stays so. Source: a due date is the last day to pay in time.
    """
    overdue = connection.execute(
        text("""UPDATE invoices SET status = 'overdue' WHERE invoice_id IN (
                    SELECT invoice_id FROM invoices WHERE status = 'sent' AND due_date < :as_of
                    ORDER BY invoice_id FOR UPDATE)
                  AND status = 'sent' RETURNING number, due_date"""),
        {"as_of": as_of},
    ).all()
    rows = sorted(overdue, key=lambda row: row.number)
    audit.append(connection, *(
        audit.Entry(actor, "invoice.overdue", "invoice", row.number, {"status": "sent"}, {"status": "overdue"},
                    f"due {row.due_date}, swept as of {as_of}")
        for row in rows))  # fmt: skip
    return [row.number for row in rows]


def find(connection: Connection, given: str) -> int:
    """The document a person names by number or id. Raises NotFound."""
    found: int | None = connection.execute(
        text("SELECT invoice_id FROM invoices WHERE number = :given OR public_id::text = :given"),
        {"given": given},
    ).scalar()
    if found is None:
        raise NotFound(
            "invoice_not_found", f"there is no document {given!r}; `chargeback status` lists them"
        )
    return found


def _locked(connection: Connection, invoice_ids: Sequence[int]) -> Sequence[Any]:
    """The documents, locked in the order of their ids."""
    return connection.execute(
        text("SELECT * FROM invoices WHERE invoice_id = ANY (:ids) ORDER BY invoice_id FOR UPDATE"),
        {"ids": list(invoice_ids)},
    ).all()


def _is_move(row: Any, wanted: InvoiceStatus) -> bool:
    if row.kind == "credit_note":
        raise Refused(
            "credit_note_never_moves",
            f"{row.number} is a credit note and never moves; bill the period again instead",
        )
    if wanted is InvoiceStatus.SENT and row.status == "paid" and row.total <= 0:
        return False
    return invoice_status.check(
        row.number, InvoiceStatus(row.status), wanted, settings().require_approval
    )


_UNTIED = text("""
    SELECT i.number FROM invoices i JOIN invoice_lines l USING (invoice_id)
    LEFT JOIN line_allocations c ON c.line_id = l.line_id AND c.released_by_line_id IS NULL
    LEFT JOIN allocations a USING (allocation_id)
    WHERE i.invoice_id = ANY (:ids)
    GROUP BY i.number, l.line_id
    HAVING l.exact_amount <> coalesce(sum(a.cost), 0) OR l.quantity <> coalesce(sum(a.quantity), 0)
    UNION
    SELECT number FROM invoices WHERE invoice_id = ANY (:ids) AND is_stale
    ORDER BY number LIMIT 1
""")


def _refuse_stale(connection: Connection, invoice_ids: Sequence[int]) -> None:
    """A document leaves draft only while every line is the exact sum of what it claims."""
    stale = connection.execute(_UNTIED, {"ids": list(invoice_ids)}).scalar()
    if stale is not None:
        raise Refused(
            "invoice_stale",
            f"invoice {stale} is stale because its cost was allocated anew since it was drafted; "
            "generate it again to refresh it, look at it, then send it",
        )


def mark_days(connection: Connection, invoice_id: int) -> None:
    """What the document frees may belong to others by now: its days are allocated anew."""
    connection.execute(
        text("""UPDATE allocation_days SET is_dirty = true WHERE usage_date IN (
                    SELECT usage_date FROM allocation_days WHERE usage_date IN (
                        SELECT a.usage_date FROM invoice_lines JOIN line_allocations USING (line_id)
                        JOIN allocations a USING (allocation_id) WHERE invoice_id = :id)
                    ORDER BY usage_date FOR UPDATE)"""),
        {"id": invoice_id},
    )


def _set_status(
    connection: Connection, row: Any, wanted: InvoiceStatus, business_date: date
) -> None:
    paid = business_date if wanted is InvoiceStatus.PAID else None
    connection.execute(
        text("""UPDATE invoices SET status = :to, paid_date = coalesce(CAST(:paid AS date), paid_date)
                WHERE invoice_id = :id AND status = :from"""),
        {"to": wanted.value, "from": row.status, "id": row.invoice_id, "paid": paid},
    )


def _entry(
    row: Any, before: str, after: InvoiceStatus, actor: str, reason: str | None
) -> audit.Entry:
    return audit.Entry(
        actor, f"invoice.{after.value}", "invoice", row.number,
        {"status": InvoiceStatus(before).value}, {"status": after.value}, reason,
    )  # fmt: skip


def _cancel(
    connection: Connection,
    row: Any,
    business_date: date,
    actor: str,
    reason: str | None,
    is_rebillable: bool,
) -> Moved:
    wanted = InvoiceStatus.CANCELLED
    if row.status in ("draft", "pending"):
        connection.execute(
            text("""DELETE FROM line_allocations c USING invoice_lines l
                    WHERE l.line_id = c.line_id AND l.invoice_id = :id"""),
            {"id": row.invoice_id},
        )
        _set_status(connection, row, wanted, business_date)
        audit.append(connection, _entry(row, row.status, wanted, actor, reason))
        return Moved(row.invoice_id, row.number, wanted, True)
    _set_status(connection, row, wanted, business_date)
    note = _write_credit_note(connection, row, business_date)
    if is_rebillable:
        connection.execute(_RELEASE, {"id": row.invoice_id, "note": note.invoice_id})
    entry = _entry(row, row.status, wanted, actor, reason)
    made = audit.Entry(
        actor, "credit_note.made", "invoice", note.number, None,
        {"status": "paid", "credits": row.number, "is_rebillable": is_rebillable}, reason,
    )  # fmt: skip
    audit.append(connection, entry, made)
    return Moved(row.invoice_id, row.number, wanted, True, note.number)


_RELEASE = text("""
    UPDATE line_allocations c SET released_by_line_id = n.line_id
    FROM invoice_lines l JOIN invoice_lines n ON n.invoice_id = :note AND n.position = l.position
    WHERE l.invoice_id = :id AND c.line_id = l.line_id AND c.released_by_line_id IS NULL
""")

_CREDIT_NOTE = text("""
    INSERT INTO invoices (public_id, kind, number, series, ordinal, status, scope, team_id, user_id,
        period_start, period_end, occurrence, is_from_run, currency, exact_total, subtotal, rounding_difference,
        tax_rate, tax, total, net_days, issue_date, due_date, paid_date, bill_to, credits_invoice_id, content_hash)
    SELECT :public_id, 'credit_note', :number, 'CN', :ordinal, 'paid', scope, team_id, user_id,
        period_start, period_end, occurrence, is_from_run, currency, -exact_total, -subtotal, -rounding_difference,
        tax_rate, -tax, -total, net_days, :on, :on, :on, bill_to, invoice_id, ''
    FROM invoices WHERE invoice_id = :id RETURNING invoice_id, number
""")
_CREDIT_LINES = text("""
    INSERT INTO invoice_lines (invoice_id, position, kind, late_month, cause, resource_type, unit, description, team_id,
        quantity, exact_amount, amount)
    SELECT :note, position, kind, late_month, cause, resource_type, unit, 'Credit: ' || description, team_id,
        -quantity, -exact_amount, -amount
    FROM invoice_lines WHERE invoice_id = :id
""")


def _write_credit_note(connection: Connection, row: Any, business_date: date) -> Any:
    """The mirror of a cancelled invoice: every amount negated, born paid."""
    ((number, ordinal),) = take_numbers(connection, Series.CN, business_date, 1)
    note = connection.execute(
        _CREDIT_NOTE,
        {"id": row.invoice_id, "public_id": public_id("credit_note", str(row.public_id)),
         "number": number, "ordinal": ordinal, "on": business_date},
    ).one()  # fmt: skip
    connection.execute(_CREDIT_LINES, {"note": note.invoice_id, "id": row.invoice_id})
    connection.execute(
        text(
            "UPDATE invoices SET content_hash = invoice_content_hash(invoice_id) WHERE invoice_id = :id"
        ),
        {"id": note.invoice_id},
    )
    return note
