"""Documents with nothing to pay: credits keep their number and are paid on issue."""

from decimal import Decimal

import pytest

from chargeback.errors import Refused
from models.enums import InvoiceStatus
from tests.ledger.books import Books


def test_a_credit_larger_than_the_usage_is_a_negative_invoice_paid_on_issue(books: Books) -> None:
    books.import_yaml("teams: [{id: search, tax_rate: '0.21'}]")
    books.use("search", "ana", "2.00").use("search", "ana", "-5.00", resource_type="credit")
    (number,) = books.bill()
    view = books.view(number)
    # -3.00 and 21 % of it.
    assert (number, view.total) == ("INV-20261101-0001", Decimal("-3.63"))
    assert (view.status, str(view.paid_date)) == (InvoiceStatus.PAID, "2026-11-01")
    amounts = {line.resource_type: line.amount for line in view.lines}
    assert amounts == {"credit": Decimal(-5), "tokens": Decimal(2)}


def test_a_credit_is_split_as_the_cost_it_mirrors(books: Books) -> None:
    books.rule({"rule_id": "thirds", "rule_type": "equal_split", "user_ids": ["ana", "bob", "cat"]})
    books.use("search", "ana", "10.00", "2026-10-05").use(
        "search", "ana", "-10.00", "2026-10-06"
    ).allocate()
    assert set(books.total_by_payer("2026-10").values()) == {Decimal(0)}


def test_an_invoice_of_nothing_is_paid_on_issue_and_stays_so(books: Books) -> None:
    number = books.draft("search").number
    assert books.send(number)[0].status is InvoiceStatus.PAID
    assert not books.send(number)[0].has_changed
    with pytest.raises(Refused, match="cannot become cancelled"):
        books.cancel(number)


def test_a_credit_is_never_overdue(books: Books) -> None:
    books.use("search", "ana", "-5.00").bill()
    assert books.sweep("2030-01-01") == []


def test_a_credit_note_takes_back_what_each_line_printed(books: Books) -> None:
    """Not what the line would round to by itself: three times 0.334 printed 0.34, 0.33 and 0.33."""
    for resource_type in ("audio", "image", "text"):
        books.use("search", "ana", "0.334", resource_type=resource_type)
    (number,) = books.bill()
    note = books.view(str(books.cancel(number).credit_note))
    assert [line.amount for line in note.lines] == [
        Decimal("-0.34"), Decimal("-0.33"), Decimal("-0.33")
    ]  # fmt: skip
    assert (note.subtotal, note.total) == (Decimal("-1.00"), Decimal("-1.00"))
