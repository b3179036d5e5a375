"""Numbers a caller gives: they belong to no series, and the counter goes around them."""

from decimal import Decimal

import pytest

from chargeback.errors import Invalid, Refused
from tests.ledger.books import Books


@pytest.fixture
def books_of_three(books: Books) -> Books:
    return (
        books.use("etl", "fay", "1.00").use("search", "ana", "2.00").use("support", "bob", "4.00")
    )


def test_the_counter_skips_a_given_number_that_looks_like_its_next(books_of_three: Books) -> None:
    books = books_of_three
    assert books.draft("support", number="INV-20261101-0002").number == "INV-20261101-0002"
    assert books.bill() == ["INV-20261101-0001", "INV-20261101-0003", "INV-20261101-0002"]
    assert (
        books.query("SELECT ordinal FROM invoices WHERE number = 'INV-20261101-0002'")[0].ordinal
        is None
    )
    assert (
        books.query("SELECT last_ordinal FROM number_counters WHERE series = 'INV'")[0].last_ordinal
        == 3
    )


def test_a_given_number_of_another_day_takes_no_place_in_the_series(books_of_three: Books) -> None:
    books_of_three.draft("support", number="INV-20261101-0001")
    run = books_of_three.run(on="2026-11-02")
    assert [d.number for d in run] == [
        "INV-20261102-0001",
        "INV-20261102-0002",
        "INV-20261101-0001",
    ]


def test_a_number_that_is_taken_is_refused_and_nothing_is_drafted(books_of_three: Books) -> None:
    books_of_three.draft("support", number="OURS-7")
    with pytest.raises(Refused, match=r"OURS-7 is on another document \(draft\)"):
        books_of_three.draft("search", number="OURS-7")
    assert books_of_three.query("SELECT count(*) AS n FROM invoices")[0].n == 1


def test_a_number_of_a_cancelled_document_stays_taken(books_of_three: Books) -> None:
    books_of_three.cancel(books_of_three.draft("support", number="OURS-7").number)
    with pytest.raises(Refused, match=r"OURS-7 is on another document \(cancelled\)"):
        books_of_three.draft("support", number="OURS-7")


def test_drafting_again_with_its_own_number_refreshes_the_draft(books_of_three: Books) -> None:
    books_of_three.draft("support", number="OURS-7")
    again = books_of_three.use("support", "bob", "0.50").draft("support", number="OURS-7")
    assert (again.number, again.total) == ("OURS-7", Decimal("4.50"))


def test_a_draft_keeps_its_number_when_another_is_given(books_of_three: Books) -> None:
    number = books_of_three.draft("support").number
    with pytest.raises(
        Refused, match=f"team support has draft {number} for 2026-10, which keeps its number"
    ):
        books_of_three.draft("support", number="OURS-7")


def test_a_number_that_cannot_be_printed_is_refused(books_of_three: Books) -> None:
    with pytest.raises(Invalid, match="cannot be a document number"):
        books_of_three.draft("support", number="../7")


def test_numbers_of_cancelled_drafts_are_never_given_again(books_of_three: Books) -> None:
    books_of_three.cancel(books_of_three.draft("support").number)
    assert books_of_three.draft("support").number == "INV-20261101-0002"
