"""What cannot happen to a document, whoever tries: wrong moves, new words, second claims."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, text

from chargeback.invoice_status import TRANSITIONS
from models.enums import InvoiceStatus as S
from models.tables import Invoice
from tests.conftest import Ledger
from tests.migrations import rows
from tests.migrations.rows import owner_of, refused, violates

# What each status still lets change, besides the status itself.
IDENTITY = {"public_id", "kind", "number", "series", "ordinal"}
COLUMNS = {column.name for column in Invoice.__table__.columns} - {"invoice_id", "status"}
FREE = {
    S.DRAFT: COLUMNS - IDENTITY,
    S.PENDING: {"issue_date", "due_date", "content_hash"},
    S.SENT: {"paid_date"},
    S.OVERDUE: {"paid_date"},
    S.PAID: set[str](),
    S.CANCELLED: set[str](),
}
OTHER = {
    "bigint": "99",
    "boolean": "NOT {}",
    "bytea": "'\\x99'",
    "date": "'2001-02-03'",
    "integer": "99",
    "jsonb": "'[99]'",
    "numeric": "99",
    "text": "'other'",
    "timestamp with time zone": "'2001-02-03Z'",
    "uuid": "'99999999-9999-9999-9999-999999999999'",
}


@pytest.mark.parametrize("start", list(S))
def test_a_document_moves_only_as_the_table_of_transitions_says(
    connection: Connection, start: S
) -> None:
    for end in S:
        invoice_id = rows.make_invoice(connection, start, team_id=f"before-{end}")
        if end is start or end in TRANSITIONS[start]:
            rows.move(connection, invoice_id, end)
            continue
        with refused(connection, f"^document INV-.* cannot move from {start} to {end}$"):
            rows.move(connection, invoice_id, end)


@pytest.mark.parametrize("status", list(S))
def test_each_status_lets_change_what_it_should_and_nothing_else(
    connection: Connection, status: S
) -> None:
    described = text(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = 'invoices'"
    )
    types = dict(connection.execute(described).tuples().all())
    invoice_id = rows.make_invoice(connection, status)
    for column in sorted(COLUMNS - FREE[status]):
        says = (
            "so what it says cannot" if status is not S.DRAFT else "keeps its id, kind and number"
        )
        other = OTHER[types[column]].format(column)
        with refused(connection, f"document INV-.* {says}"):
            connection.execute(
                text(f"UPDATE invoices SET {column} = {other} WHERE invoice_id = {invoice_id}")
            )


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (S.DRAFT, "exact_total = 1.004, subtotal = 1, rounding_difference = -0.004, total = 1"),
        (S.DRAFT, 'revision = 2, is_stale = true, bill_to = \'{"name": "A"}\''),
        (S.PENDING, "issue_date = '2026-11-02', due_date = '2026-12-02'"),
        (S.SENT, "status = 'paid', paid_date = '2026-11-20'"),
        (S.OVERDUE, "status = 'paid', paid_date = '2026-12-20'"),
    ],
)
def test_a_document_takes_what_its_status_still_needs(
    connection: Connection, status: S, change: str
) -> None:
    rows.make_invoice(connection, status)
    assert connection.execute(text(f"UPDATE invoices SET {change}")).rowcount == 1


@pytest.mark.parametrize("status", list(S))
def test_a_document_is_never_deleted(ledger: Ledger, status: S) -> None:
    with owner_of(ledger) as owner:
        rows.make_invoice(owner, status)
        with refused(owner, "document INV-.* is never deleted; cancel it instead"):
            owner.execute(text("DELETE FROM invoices"))


def test_the_app_has_no_right_to_delete_a_document(connection: Connection) -> None:
    with violates(connection, "permission denied for table invoices"):
        connection.execute(text("DELETE FROM invoices"))


def test_an_invoice_begins_as_draft_and_a_credit_note_as_paid(connection: Connection) -> None:
    for status in set(S) - {S.DRAFT}:
        with refused(connection, f"cannot begin as {status}; invoices begin as draft"):
            rows.make_invoice(connection, status=status)
    sent = rows.make_invoice(connection, S.SENT)
    with refused(connection, "cannot begin as draft; invoices begin as draft, credit notes as"):
        rows.make_credit_note(connection, sent, status=S.DRAFT)
    rows.make_credit_note(connection, sent)


def test_an_invoice_is_credited_once(connection: Connection) -> None:
    sent = rows.make_invoice(connection, S.SENT)
    rows.make_credit_note(connection, sent)
    with violates(connection, "invoices_credits_invoice_id_key"):
        rows.make_credit_note(connection, sent)


def test_a_document_is_issued_only_with_the_hash_of_what_it_says(connection: Connection) -> None:
    rows.make_invoice(connection)
    with violates(connection, "invoices_check"):
        connection.execute(text("UPDATE invoices SET status = 'sent'"))


def test_a_payer_has_one_open_draft_for_a_period(connection: Connection) -> None:
    rows.make_invoice(connection, S.PENDING)
    with violates(connection, "one_open_draft"):
        rows.make_invoice(connection)
    rows.make_invoice(connection, period_end=date(2026, 10, 11))
    rows.make_invoice(connection, scope="all", team_id=None)
    with violates(connection, "one_open_draft"):
        rows.make_invoice(connection, scope="all", team_id=None)


@pytest.mark.parametrize(
    "bad",
    [
        {"scope": "user"},
        {"scope": "team_user"},
        {"scope": "all"},
        {"user_id": "ann"},
        {"period_end": date(2026, 10, 1)},
        {"series": "INV"},
        {"credits_invoice_id": 1},
        {"subtotal": 1, "total": 1},
        {"exact_total": 1, "subtotal": 1, "tax": Decimal("0.21"), "total": Decimal("1.20")},
    ],
)
def test_a_document_that_contradicts_itself_is_not_booked(
    connection: Connection, bad: dict[str, Any]
) -> None:
    with violates(connection, "violates check constraint"):
        rows.make_invoice(connection, **bad)


@pytest.mark.parametrize("status", [S.PENDING, S.SENT, S.OVERDUE, S.PAID, S.CANCELLED])
@pytest.mark.parametrize("is_later", [False, True])
def test_lines_cannot_change_once_their_document_left_draft(
    connection: Connection, status: S, is_later: bool
) -> None:
    frozen = rows.make_invoice(connection)
    line = rows.make_line(connection, frozen)
    draft = rows.make_invoice(connection, period_start=date(2026, 10, 2))
    stray = rows.make_line(connection, draft)
    for step in rows.WAYS[status]:
        rows.move(connection, frozen, step)
    if is_later:
        _begin_again(connection)
    sentence = "the lines of document INV-.* cannot change because it has left draft"
    with refused(connection, sentence):
        rows.make_line(connection, frozen, 2)
    for statement in (
        "UPDATE invoice_lines SET amount = 2 WHERE line_id = :line",
        "UPDATE invoice_lines SET invoice_id = :draft, position = 3 WHERE line_id = :line",
        "UPDATE invoice_lines SET invoice_id = :frozen, position = 3 WHERE line_id = :stray",
        "DELETE FROM invoice_lines WHERE line_id = :line",
    ):
        with refused(connection, sentence):
            ids = {"line": line, "draft": draft, "frozen": frozen, "stray": stray}
            connection.execute(text(statement), ids)


def _begin_again(connection: Connection) -> None:
    """Go on in a new transaction; the fixture's block would let only itself end the first."""
    connection.connection.commit()


@pytest.mark.parametrize("is_later", [False, True])
def test_a_credit_note_takes_lines_until_it_has_the_hash_of_what_it_says(
    connection: Connection, is_later: bool
) -> None:
    note = rows.make_credit_note(connection, rows.make_invoice(connection, S.SENT))
    with connection.begin_nested():
        rows.make_line(connection, note, amount=-1)
    rows.make_line(connection, note, 2, amount=-1)
    seal = text("UPDATE invoices SET content_hash = invoice_content_hash(invoice_id)"
                " WHERE invoice_id = :id")  # fmt: skip
    connection.execute(seal, {"id": note})
    if is_later:
        _begin_again(connection)
    connection.execute(text("UPDATE invoices SET status = status"))
    with refused(connection, "the lines of document INV-.* cannot change"):
        rows.make_line(connection, note, 3)
    with refused(connection, "is paid, so what it says cannot change"):
        connection.execute(text("UPDATE invoices SET content_hash = '' WHERE kind <> 'invoice'"))


def test_an_allocation_is_claimed_once_until_it_is_released(connection: Connection) -> None:
    first = rows.make_invoice(connection)
    line_id = rows.make_line(connection, first)
    second = rows.make_invoice(connection, period_end=date(2026, 10, 11))
    other_id = rows.make_line(connection, second)
    rows.make_claim(connection, line_id, 1)
    with violates(connection, "claimed_once"):
        rows.make_claim(connection, other_id, 1)
    rows.move(connection, first, S.CANCELLED)
    release = text("UPDATE line_allocations SET released_by_line_id = :by WHERE line_id = :line")
    connection.execute(release, {"by": line_id, "line": line_id})
    rows.make_claim(connection, other_id, 1)
    with refused(connection, "what document INV-.* claims cannot change in its status"):
        connection.execute(release, {"by": line_id, "line": other_id})


@pytest.mark.parametrize(
    ("status", "may_delete"),
    [(S.DRAFT, True), (S.PENDING, True), (S.SENT, False), (S.PAID, False), (S.CANCELLED, False)],
)
def test_claims_are_made_for_drafts_and_dropped_before_issue_only(
    connection: Connection, status: S, may_delete: bool
) -> None:
    invoice_id = rows.make_invoice(connection)
    line_id = rows.make_line(connection, invoice_id)
    rows.make_claim(connection, line_id, 1)
    for step in rows.WAYS[status]:
        rows.move(connection, invoice_id, step)
    sentence = "what document INV-.* claims cannot change in its status; cancel it"
    if status is not S.DRAFT:
        with refused(connection, sentence):
            rows.make_claim(connection, line_id, 2)
    drop = text("DELETE FROM line_allocations")
    if may_delete:
        connection.execute(drop)
        return
    with refused(connection, sentence):
        connection.execute(drop)


@pytest.mark.parametrize(
    "change", ["released_by_line_id = NULL", "allocation_id = 2", "line_id = :other"]
)
def test_a_released_claim_stays_as_it_is(ledger: Ledger, change: str) -> None:
    with owner_of(ledger) as owner:
        invoice_id = rows.make_invoice(owner)
        line_id, other = rows.make_line(owner, invoice_id), rows.make_line(owner, invoice_id, 2)
        rows.make_claim(owner, line_id, 1)
        rows.move(owner, invoice_id, S.CANCELLED)
        owner.execute(
            text("UPDATE line_allocations SET released_by_line_id = :line"), {"line": line_id}
        )
        with refused(owner, "UPDATE of line_allocations is refused"):
            owner.execute(text(f"UPDATE line_allocations SET {change}"), {"other": other})
