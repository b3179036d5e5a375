"""Documents read back say what was booked, to the last digit."""

from decimal import Decimal

from tests.conftest import Ledger
from tests.ledger.books import Books

LARGEST = "12345678901234567890.123456789012345678"


def test_an_amount_of_38_digits_is_shown_whole(ledger: Ledger) -> None:
    """Decimal's default context would keep 28 of them."""
    books = Books(ledger).use("a", "ana", LARGEST)
    view = books.view(books.draft("a").number)
    assert view.exact_total == view.lines[0].exact == view.annex[0].cost == Decimal(LARGEST)
    assert view.subtotal == Decimal("12345678901234567890.12")


def test_what_another_document_holds_is_told_whole(ledger: Ledger) -> None:
    books = Books(ledger).use("a", "ana", LARGEST)
    held = books.draft("a", "ana").number
    assert books.view(books.draft("a").number).held_elsewhere == ((held, Decimal(LARGEST)),)
