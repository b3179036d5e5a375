"""How documents move: the table of moves, what each leaves behind, and what repeating it does."""

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy.exc import DBAPIError

from chargeback.errors import NotFound, Refused
from chargeback.invoice_status import TRANSITIONS
from chargeback.ledger import issuing
from chargeback.ledger.database import transaction
from chargeback.settings import settings
from models.enums import InvoiceStatus
from tests.ledger.books import Books

S = InvoiceStatus
WAYS: dict[S, list[S]] = {
    S.DRAFT: [], S.PENDING: [S.PENDING], S.SENT: [S.SENT], S.PAID: [S.SENT, S.PAID],
    S.OVERDUE: [S.SENT, S.OVERDUE], S.CANCELLED: [S.CANCELLED],
}  # fmt: skip


def invoice_in(books: Books, status: S) -> str:
    number = books.use("search", "ana", "10.00").draft("search").number
    for step in WAYS[status]:
        books.move(number, step)
    return number


@pytest.mark.parametrize("wanted", S)
@pytest.mark.parametrize("current", S)
def test_an_invoice_makes_the_moves_of_the_table_and_no_others(
    books: Books, current: S, wanted: S
) -> None:
    number = invoice_in(books, current)
    if wanted is current:
        assert not books.move(number, wanted).has_changed
    elif wanted in TRANSITIONS[current]:
        assert books.move(number, wanted).status is wanted
    else:
        with pytest.raises(Refused, match=f"{number} is {current} and cannot become {wanted}"):
            books.move(number, wanted)
        assert books.view(number).status is current


def test_sending_dates_the_invoice_and_fixes_when_it_is_due(books: Books) -> None:
    number = books.use("search", "ana", "10.00").draft("search").number
    books.send(number, on="2026-11-20")
    view = books.view(number)
    assert (view.issue_date, view.due_date) == (date(2026, 11, 20), date(2026, 12, 20))


def test_sending_again_changes_nothing(books: Books) -> None:
    (number,) = books.use("search", "ana", "10.00").bill()
    before = books.view(number)
    assert not books.send(number, on="2026-12-24")[0].has_changed
    assert books.view(number) == before


def test_several_are_sent_all_or_none(books: Books) -> None:
    numbers = [
        d.number for d in books.use("search", "ana", "10.00").use("etl", "fay", "1.00").run()
    ]
    books.cancel(numbers[1])
    with pytest.raises(Refused, match=f"{numbers[1]} is cancelled and cannot become sent"):
        books.send(*numbers)
    assert books.view(numbers[0]).status is S.DRAFT


def test_with_approval_required_a_draft_must_be_pending_before_it_is_sent(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = books.use("search", "ana", "10.00").draft("search").number
    monkeypatch.setenv("CHARGEBACK_REQUIRE_APPROVAL", "true")
    settings.cache_clear()
    with pytest.raises(
        Refused,
        match=f"{number} is draft and needs approval before it is sent; make it pending first",
    ):
        books.send(number)
    books.move(number, S.PENDING)
    assert books.send(number)[0].status is S.SENT


@pytest.mark.parametrize(("as_of", "is_overdue"), [("2026-12-01", False), ("2026-12-02", True)])
def test_an_invoice_is_overdue_on_the_day_after_it_was_due(
    books: Books, as_of: str, is_overdue: bool
) -> None:
    numbers = books.use("search", "ana", "10.00").bill()
    assert books.sweep(as_of) == (numbers if is_overdue else [])
    assert books.sweep(as_of) == []


def test_only_what_was_sent_and_is_not_paid_becomes_overdue(books: Books) -> None:
    for team in ("a", "b", "c", "d"):
        books.use(team, cost="1.00")
    drafts = [drafted.number for drafted in books.run()]
    books.send(*drafts[:3])
    books.pay(drafts[0])
    books.cancel(drafts[1])
    assert books.sweep("2030-01-01") == [drafts[2]]


def test_an_overdue_invoice_may_still_be_paid(books: Books) -> None:
    (number,) = books.use("search", "ana", "10.00").bill()
    books.sweep("2030-01-01")
    books.pay(number, on="2030-01-02")
    assert (books.view(number).status, books.view(number).paid_date) == (S.PAID, date(2030, 1, 2))


def test_a_credit_note_never_moves(books: Books) -> None:
    (number,) = books.use("search", "ana", "10.00").bill()
    note = books.cancel(number).credit_note
    assert note is not None
    for wanted in S:
        with pytest.raises(Refused, match=f"{note} is a credit note and never moves"):
            books.move(note, wanted)


def test_an_invoice_cancelled_again_gets_no_second_credit_note(books: Books) -> None:
    (number,) = books.use("search", "ana", "10.00").bill()
    books.cancel(number)
    assert books.cancel(number).credit_note is None
    assert books.query("SELECT count(*) AS n FROM invoices")[0].n == 2


def test_a_period_cancelled_and_billed_again_and_again_keeps_all_its_documents(
    books: Books,
) -> None:
    books.use("search", "ana", "10.00")
    for _ in range(3):
        (number,) = books.bill()
        books.cancel(number)
    totals = books.query(
        "SELECT kind, count(*) AS n, sum(total) AS total FROM invoices GROUP BY kind ORDER BY kind"
    )
    assert totals == [("credit_note", 3, Decimal(-30)), ("invoice", 3, Decimal(30))]


def test_every_move_is_told_with_who_and_why(books: Books) -> None:
    (number,) = books.use("search", "ana", "10.00").bill()
    books.pay(number)
    told = books.query(
        """SELECT action, actor, before ->> 'status' AS before, after ->> 'status' AS after, reason
           FROM audit_log WHERE subject_id = :number ORDER BY seq""",
        number=number,
    )
    assert told == [
        ("invoice.drafted", "tester", None, "draft", None),
        ("invoice.sent", "tester", "draft", "sent", None),
        ("invoice.paid", "tester", "sent", "paid", "a test"),
    ]


def test_a_refused_move_leaves_nothing_in_the_audit_log(books: Books) -> None:
    number = books.use("search", "ana", "10.00").draft("search").number
    before = books.query("SELECT max(seq) AS seq FROM audit_log")[0].seq
    with pytest.raises(Refused):
        books.pay(number)
    assert books.query("SELECT max(seq) AS seq FROM audit_log")[0].seq == before


def test_a_document_is_found_by_its_number_or_its_id(books: Books) -> None:
    number = books.use("search", "ana", "10.00").draft("search").number
    public_id = books.view(number).invoice_id
    with transaction() as connection:
        assert issuing.find(connection, public_id) == issuing.find(connection, number)


def test_a_document_that_is_not_there_is_named(books: Books) -> None:
    with pytest.raises(
        NotFound, match="there is no document 'INV-1'; `chargeback status` lists them"
    ):
        books.pay("INV-1")


@pytest.mark.parametrize("wanted", [InvoiceStatus.PAID, InvoiceStatus.CANCELLED])
def test_a_move_that_cannot_be_told_is_not_made(books: Books, wanted: InvoiceStatus) -> None:
    """Status and history are one transaction: where no entry can be written, nothing has moved."""
    (number,) = books.use("search", "ana", "10.00").bill()
    books.damage("ALTER FUNCTION audit_append(jsonb) RENAME TO audit_append_away")
    with pytest.raises(DBAPIError, match="audit_append"):
        books.move(number, wanted)
    books.damage("ALTER FUNCTION audit_append_away(jsonb) RENAME TO audit_append")
    assert books.view(number).status is InvoiceStatus.SENT
