"""Usage that has tokens and costs nothing: accepted, priced by our own rates or refused, and never silently free."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from chargeback.ledger import usage_sources
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.doubts import doubts
from chargeback.ledger.reconcile import reconcile
from chargeback.ledger.sync import sync
from chargeback.periods import Period
from models.enums import SourceRole, ZeroCost
from tests.conftest import Ledger
from tests.ledger.books import Books

OCTOBER = Period.month("2026-10")
FREE = {"unit": "Tokens", "quantity": "1500", "sku": "gpt", "tokens": "prompt=1200 completion=300"}


def booked(books: Books) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for row in books.query(
            """SELECT external_id, trim_scale(cost), original_cost, trim_scale(repriced) FROM usage_records
               WHERE record_count = 1 ORDER BY external_id, revision"""
        )
    ]


def free(books: Books) -> list[tuple[Any, ...]]:
    with snapshot() as connection:
        return [
            (f.source, f.zero_cost, f.model, f.rows, f.tokens)
            for f in doubts(connection, OCTOBER).free
        ]


def test_undecided_it_is_booked_as_free_and_told_of(books: Books) -> None:
    books.use("search", "ana", "0", **FREE, external_id="a").load()
    assert booked(books) == [("a", 0, None, None)]
    assert free(books) == [("tracker", None, "gpt", 1, 1500)]
    with snapshot() as connection:
        (sentence,) = doubts(connection, OCTOBER).sentences
    assert sentence == (
        "1 rows of tracker have tokens of gpt and cost nothing; decide with `chargeback sources zero-cost tracker`"
    )


def test_accepted_it_is_listed_and_nobody_is_asked(books: Books) -> None:
    books.decide_zero_cost("accept").use("search", "ana", "0", **FREE).load()
    assert free(books) == [("tracker", ZeroCost.ACCEPT, "gpt", 1, 1500)]
    with snapshot() as connection:
        assert doubts(connection, OCTOBER).sentences == []


def test_repriced_it_costs_what_our_rates_say_and_keeps_that_its_source_said_nothing(
    books: Books,
) -> None:
    """1,200 at 0.15 and 300 at 0.60 a million are 0.00036; what has a price of its own keeps it."""
    books.price(("gpt", "prompt", "0.15"), ("gpt", "completion", "0.60")).decide_zero_cost(
        "reprice"
    )
    books.use("search", "ana", "0", **FREE, external_id="a")
    books.use("search", "ana", "2", **FREE, external_id="b").allocate()
    assert booked(books) == [("a", Decimal("0.00036"), 0, Decimal("0.00036")), ("b", 2, None, None)]
    assert free(books) == []


def test_the_reconciliation_tells_what_our_rates_added(books: Books) -> None:
    books.price(("gpt", "total", "1")).decide_zero_cost("reprice")
    books.use("search", "ana", "0", **FREE).use("search", "ana", "2").load()
    with snapshot() as connection:
        month = reconcile(connection, OCTOBER)
    (source,) = month.sources
    assert source.received.amount == 2
    assert source.repriced == Decimal("0.0015")
    assert source.ledger.amount == Decimal("2.0015")
    assert month.difference == 0


def test_without_a_price_it_waits_and_is_booked_once_there_is_one(books: Books) -> None:
    books.decide_zero_cost("reprice").use("search", "ana", "0", **FREE, external_id="a").load()
    assert booked(books) == []
    assert books.replay().still_refused == {"no_rate": 1}
    books.price(("gpt", "total", "1"))
    assert books.replay().booked == 1
    assert booked(books) == [("a", Decimal("0.0015"), 0, Decimal("0.0015"))]


def test_refused_it_waits_until_somebody_decides_otherwise(books: Books) -> None:
    books.decide_zero_cost("quarantine").use("search", "ana", "0", **FREE, external_id="a").load()
    ((code, raw),) = books.query("SELECT code, raw_cost FROM usage_quarantine WHERE state = 'open'")
    assert (code, raw) == ("zero_cost", 0)
    assert books.replay().still_refused == {"zero_cost": 1}
    books.decide_zero_cost("accept")
    assert books.replay().booked == 1
    assert booked(books) == [("a", 0, None, None)]


def test_what_is_free_for_want_of_tokens_is_nobodys_business(books: Books) -> None:
    books.decide_zero_cost("quarantine")
    books.use("search", "ana", "0", unit="Tokens", quantity="0")
    books.use("search", "ana", "0", unit="Hours", quantity="5").load()
    assert books.query("SELECT count(*) FROM usage_quarantine")[0][0] == 0
    assert free(books) == []


def test_a_new_price_holds_for_what_is_delivered_again(books: Books) -> None:
    for price in "1", "2":
        books.price(("gpt", "total", price)).decide_zero_cost("reprice")
        books.use("search", "ana", "0", **FREE, external_id="a").allocate()
    assert booked(books) == [
        ("a", Decimal("0.0015"), 0, Decimal("0.0015")),
        ("a", Decimal("0.003"), 0, Decimal("0.003")),
    ]
    assert books.total_by_payer() == {("search", "ana"): Decimal("0.003")}


def test_a_tracker_of_its_own_tells_kinds_of_tokens(ledger: Ledger, tmp_path: Path) -> None:
    """The row of the export: 1,200 prompt and 300 completion tokens at no cost, priced 0.00036."""
    path = tmp_path / "export.json"
    path.write_text(
        """[{"call_id": "c-1", "timestamp": "2026-10-05T12:00:00Z", "provider": "p", "model": "gpt",
             "agent_id": "a", "prompt_tokens": 1200, "completion_tokens": 300, "total_tokens": 1500,
             "cost_usd": 0.0, "operation_type": "query", "metadata": {"team_id": "search"}}]"""
    )
    books = Books(ledger, "priced").price(("gpt", "prompt", "0.15"), ("gpt", "completion", "0.60"))
    with transaction() as connection:
        config = {"path": str(path), "form": "json"}
        usage_sources.put(connection, "priced", "cost_tracker", SourceRole.ALLOCATE, config, "test")
    at = datetime(2026, 11, 1, tzinfo=UTC)
    counts = sync("priced", at)
    assert (counts.new, counts.free, counts.repriced) == (1, 1, 0)
    assert counts.new_cost == 0
    assert "1 rows of priced have tokens and cost nothing" in counts.doubts[0]
    books.decide_zero_cost("reprice")
    counts = sync("priced", at)
    assert (counts.changed, counts.free, counts.repriced) == (1, 1, 1)
    assert counts.new_cost == Decimal("0.00036")
    assert counts.doubts == ()
