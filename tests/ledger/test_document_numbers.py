"""The counter of document numbers: gapless in what it gives, around what others gave, returned when a run fails."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from chargeback.errors import Refused
from chargeback.ledger.database import transaction
from chargeback.ledger.document_numbers import check_free, take_numbers
from chargeback.numbering import Series
from tests.conftest import Ledger
from tests.ledger.books import Books

ON = date(2026, 11, 1)


def take(count: int, on: date = ON, series: Series = Series.INV) -> list[str]:
    with transaction() as connection:
        return [number for number, _ in take_numbers(connection, series, on, count)]


def test_numbers_follow_one_another_and_never_restart(ledger: Ledger) -> None:
    assert take(2) == ["INV-20261101-0001", "INV-20261101-0002"]
    assert take(1, date(2026, 12, 1)) == ["INV-20261201-0003"]
    assert take(0) == []


def test_each_series_counts_for_itself(ledger: Ledger) -> None:
    assert (take(1), take(1, series=Series.CN)) == (["INV-20261101-0001"], ["CN-20261101-0001"])


def test_a_transaction_that_fails_gives_its_numbers_back(ledger: Ledger) -> None:
    with transaction() as connection:
        take_numbers(connection, Series.INV, ON, 5)
        connection.rollback()
    assert take(1) == ["INV-20261101-0001"]


def test_the_ten_thousandth_number_has_five_digits(books: Books) -> None:
    books.damage("UPDATE number_counters SET last_ordinal = 9999")
    assert take(1) == ["INV-20261101-10000"]
    books.damage("UPDATE number_counters SET last_ordinal = 0")


def test_given_numbers_in_the_way_are_skipped_however_many_there_are(books: Books) -> None:
    for ordinal in (1, 3, 4):
        books.draft(f"team-{ordinal}", number=f"INV-20261101-000{ordinal}")
    with transaction() as connection:
        taken = take_numbers(connection, Series.INV, ON, 3)
        connection.rollback()
    assert taken == [("INV-20261101-0002", 2), ("INV-20261101-0005", 5), ("INV-20261101-0006", 6)]


def test_eight_at_once_take_eight_numbers(ledger: Ledger) -> None:
    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(lambda _: take(1)[0], range(8)))
    assert sorted(taken) == [f"INV-20261101-000{n}" for n in range(1, 9)]


def test_a_number_nobody_has_is_free(ledger: Ledger) -> None:
    with transaction() as connection:
        check_free(connection, "INV-20261101-0001")


def test_a_number_that_a_document_has_is_refused_and_says_what_that_document_is(
    books: Books,
) -> None:
    books.draft("search", number="OURS-1")
    with (
        transaction() as connection,
        pytest.raises(Refused, match=r"number OURS-1 is on another document \(draft\)") as refused,
    ):
        check_free(connection, "OURS-1")
    assert refused.value.code == "number_taken"
