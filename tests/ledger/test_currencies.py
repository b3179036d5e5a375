"""Usage in other currencies: converted once at its month's rate, refused without one, frozen with the first invoice."""

from decimal import Decimal
from typing import Any

import pytest

from chargeback.errors import Refused
from chargeback.ledger.database import snapshot
from chargeback.ledger.reconcile import Reconciliation, Tally, reconcile
from chargeback.ledger.verify import verify
from chargeback.periods import Period
from tests.conftest import Ledger
from tests.ledger.books import Books

EUR = ("2026-10", "EUR", "1.1")


def found(period: str = "2026-10") -> Reconciliation:
    with snapshot() as connection:
        return reconcile(connection, Period.parse(period))


def records(books: Books) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for row in books.query(
            """SELECT external_id, revision, record_count, trim_scale(cost), trim_scale(residual),
                   trim_scale(original_cost), original_currency, trim_scale(exchange_rate)
               FROM usage_records ORDER BY external_id, revision"""
        )
    ]


def test_a_record_enters_converted_and_keeps_what_its_source_said(books: Books) -> None:
    """10.005 EUR at 1.1 are 11.0055 USD."""
    books.exchange(EUR)
    books.use("search", "ana", "10.005", currency="EUR", external_id="a").load()
    assert records(books) == [
        ("a", 1, 1, Decimal("11.0055"), 0, Decimal("10.005"), "EUR", Decimal("1.1"))
    ]


def test_conversion_is_rounded_half_even_to_18_decimals_once(books: Books) -> None:
    """5E-18 EUR at 0.5 are 2.5E-18 USD, and 1.5E-17 at 0.5 are 7.5E-18: booked 2 and 8, residual 0.5 and -0.5."""
    books.exchange(("2026-10", "EUR", "0.5"))
    books.use("search", "ana", "0.000000000000000005", currency="EUR", external_id="a")
    books.use("search", "ana", "0.000000000000000015", currency="EUR", external_id="b").load()
    assert [row[3:5] for row in records(books)] == [
        (Decimal("2E-18"), Decimal("5E-19")),
        (Decimal("8E-18"), Decimal("-5E-19")),
    ]


def test_without_a_rate_a_record_waits_and_is_booked_once_the_rate_is_there(books: Books) -> None:
    books.use("search", "ana", "3", currency="EUR", external_id="a")
    books.use("search", "ana", "2", external_id="b").load()
    assert [row[0] for row in records(books)] == ["b"]
    ((code, currency, raw),) = books.query("SELECT code, currency, raw_cost FROM usage_quarantine")
    assert (code, currency, raw) == ("no_exchange_rate", "EUR", 3)
    assert books.replay().still_refused == {"no_exchange_rate": 1}
    books.exchange(EUR)
    counts = books.replay()
    assert (counts.tried, counts.booked, counts.still_refused) == (1, 1, {})
    assert [row[3] for row in records(books)] == [Decimal("3.3"), 2]
    assert books.replay().tried == 0


def test_the_rate_is_that_of_the_month_of_the_usage(books: Books) -> None:
    books.exchange(EUR, ("2026-11", "EUR", "1.2"))
    books.use("search", "ana", "1", "2026-10-31T23:59:59+00:00", currency="EUR", external_id="a")
    books.use("search", "ana", "1", "2026-11-01T00:00:00+00:00", currency="EUR", external_id="b")
    books.load()
    assert [row[3] for row in records(books)] == [Decimal("1.1"), Decimal("1.2")]


def test_a_source_counts_in_its_own_currency_where_its_rows_say_none(ledger: Ledger) -> None:
    books = Books(ledger, "euros", currency="EUR")
    books.exchange(EUR)
    books.use("search", "ana", "2").refuse("4").load()
    assert [row[3] for row in records(books)] == [Decimal("2.2")]
    assert [one.refused for one in found().foreign] == [0, 4]


def test_the_same_delivery_again_changes_nothing(books: Books) -> None:
    books.exchange(EUR)
    for _ in range(2):
        books.use("search", "ana", "2", currency="EUR", external_id="a")
        books.use("search", "ana", "2", currency="JPY", external_id="b")
        last = books.load()[0]
    assert (last.received, last.unchanged) == (2, 2)
    assert len(records(books)) == 1


def test_a_changed_cost_is_taken_back_at_the_rate_it_entered_at(books: Books) -> None:
    books.exchange(EUR)
    for cost in "2", "3":
        books.use("search", "ana", cost, currency="EUR", external_id="a").load()
    assert [(r[1], r[2], r[3], r[5]) for r in records(books)] == [
        (1, 1, Decimal("2.2"), 2),
        (2, -1, Decimal("-2.2"), -2),
        (3, 1, Decimal("3.3"), 3),
    ]


def test_a_new_rate_books_the_month_anew(books: Books) -> None:
    """2 EUR at 1.1, then at 1.25; the record in USD and that of November stay."""
    books.exchange(EUR, ("2026-11", "EUR", "1.1"))
    books.use("search", "ana", "2", currency="EUR", external_id="a")
    books.use("search", "ana", "7", external_id="b")
    books.use("search", "ana", "2", "2026-11-02", currency="EUR", external_id="c").allocate(
        "2026-11"
    )
    assert books.exchange(("2026-10", "EUR", "1.25")) == 1
    books.allocate("2026-11")
    assert books.total_by_payer() == {("search", "ana"): Decimal("9.5")}
    assert books.total_by_payer("2026-11") == {("search", "ana"): Decimal("2.2")}
    assert books.exchange(("2026-10", "EUR", "1.25")) == 0


def test_a_rate_is_frozen_once_an_invoice_of_its_month_is_issued(books: Books) -> None:
    books.exchange(EUR)
    books.use("search", "ana", "2", currency="EUR").bill()
    with pytest.raises(
        Refused, match="of EUR for 2026-10 is frozen because invoice INV-20261101-0001"
    ):
        books.exchange(("2026-10", "EUR", "1.2"))
    assert books.exchange(EUR) == 0
    books.exchange(("2026-10", "GBP", "1.3"), ("2026-11", "EUR", "1.2"))
    assert books.query("SELECT count(*) FROM exchange_rates")[0][0] == 3


def test_a_draft_freezes_no_rate(books: Books) -> None:
    books.exchange(EUR)
    books.use("search", "ana", "2", currency="EUR").draft("search")
    assert books.exchange(("2026-10", "EUR", "1.2")) == 1


def test_the_ledgers_own_currency_has_no_rate(books: Books) -> None:
    with pytest.raises(Exception, match="USD is the ledger's own currency"):
        books.exchange(("2026-10", "USD", "1"))


def test_the_reconciliation_ties_in_both_currencies(books: Books) -> None:
    """In EUR 2 + 3 booked at 1.1 and 4 at no rate (JPY); in USD 5.5 + 7 booked and 1 refused."""
    books.exchange(EUR)
    books.use("search", "ana", "2", currency="EUR").use("search", "bob", "3", currency="EUR")
    books.use("search", "ana", "7").use("search", "ana", "4", currency="JPY").refuse("1").allocate()
    month = found()
    (source,) = month.sources
    assert source.received.amount == Decimal("13.5")
    assert source.received.rows == 5
    assert source.ledger.amount == Decimal("12.5")
    assert source.quarantined == Tally(2, Decimal(1))
    assert month.difference == 0
    told: list[tuple[Any, ...]] = [
        (one.currency, one.rate, one.rows, one.booked, one.converted, one.refused)
        for one in month.foreign
    ]
    assert told == [
        ("EUR", Decimal("1.1"), 2, 5, Decimal("5.5"), 0),
        ("JPY", None, 1, 0, 0, 4),
    ]


@pytest.mark.parametrize(
    ("invariants", "statement"),
    [
        ({2, 14}, "UPDATE usage_manifests SET exchange_rate = 2 WHERE currency = 'EUR'"),
        ({2, 14}, "UPDATE usage_manifests SET received_raw = 3, new_raw = 3 WHERE currency = 'EUR'"),
        ({2}, "UPDATE usage_cells SET currency = 'GBP' WHERE currency = 'EUR'"),
        ({14}, "UPDATE usage_quarantine SET currency = 'GBP'"),
        ({14}, "UPDATE exchange_rates SET rate = 2 WHERE currency = 'EUR'"),
    ],
)  # fmt: skip
def test_verify_tells_of_a_conversion_that_does_not_tie(
    year_end_books: Books, invariants: set[int], statement: str
) -> None:
    books = year_end_books
    books.exchange(("2026-12", "EUR", "1.1"))
    books.use("search", "ana", "2", "2026-12-05", currency="EUR")
    books.use("search", "ana", "4", "2026-12-05", currency="JPY").allocate("2026-12")
    with snapshot() as connection:
        assert verify(connection) == []
    books.damage(
        "ALTER TABLE usage_manifests DROP CONSTRAINT raw_is_ledger_and_residual", statement
    )
    with snapshot() as connection:
        assert {one.invariant for one in verify(connection)} == invariants


def test_a_record_that_moved_over_a_months_end_leaves_at_the_old_months_rate(books: Books) -> None:
    """2 EUR billed in October at 1.1 turn out to be of November: 2.2 go back as late usage, 2.4 are November's."""
    books.exchange(EUR, ("2026-11", "EUR", "1.2"))
    books.use("search", "ana", "2", "2026-10-31", currency="EUR", external_id="a")
    books.use("search", "ana", "10", "2026-10-31", external_id="b").bill()
    books.use("search", "ana", "2", "2026-11-01", currency="EUR", external_id="a").allocate(
        "2026-11"
    )
    assert [(r[2], r[3], r[7]) for r in records(books) if r[0] == "a"] == [
        (1, Decimal("2.2"), Decimal("1.1")),
        (-1, Decimal("-2.2"), Decimal("1.1")),
        (1, Decimal("2.4"), Decimal("1.2")),
    ]
    assert books.total_by_payer() == {("search", "ana"): 10}
    assert books.total_by_payer("2026-11") == {("search", "ana"): Decimal("2.4")}
    (number,) = books.bill("2026-11", "2026-12-01")
    assert books.view(number).total == Decimal("0.20")
    assert found().difference == found("2026-11").difference == 0
