"""One hash for what the books say: the same however the work was cut, another for each other fact."""

from collections.abc import Callable

import pytest

from chargeback.ledger.database import snapshot
from chargeback.ledger.digest import digest, parts, whole
from chargeback.sources.contract import Refusal, Usage
from tests.conftest import Ledger
from tests.ledger.books import Books
from tests.ledger.year_end import ETL, LAB_IN_NOVEMBER, OPS_IN_NOVEMBER, SUPPORT


@pytest.fixture
def books(year_end_books: Books) -> Books:
    return year_end_books


def hashes() -> dict[str, str]:
    with snapshot() as connection:
        return parts(connection)


def delivery(books: Books) -> list[Usage | Refusal]:
    """Six rows: two teams, a user alone, nobody, one refused, one that says something else of the first."""
    books.use("search", "ana", "1.005", external_id="a").use("lab", "bob", "2.5", external_id="b")
    books.use(None, "cem", "3", external_id="c").use(None, None, "0.25", external_id="d")
    books.refuse("7", external_id="e").use("search", "ana", "9", quantity="2.50", external_id="a")
    return books.waiting


def billed(books: Books, rows: list[Usage | Refusal]) -> dict[str, str]:
    books.waiting = []
    books.load(rows)
    books.bill()
    return hashes()


def test_the_digest_does_not_depend_on_how_a_delivery_is_cut(
    ledger: Ledger, another_ledger: Callable[[], Ledger]
) -> None:
    in_one = billed(books := Books(ledger), delivery(books))
    in_twos = billed(books := Books(another_ledger(), batch_records=2), delivery(books))
    one_by_one = billed(books := Books(another_ledger(), batch_records=1), delivery(books))
    assert in_one == in_twos == one_by_one


def test_a_repeat_that_says_what_is_held_changes_nothing_whichever_row_comes_first(
    ledger: Ledger,
) -> None:
    """Held at 1; delivered as 2 and then as 1: the 2 is refused, the 1 is what is held."""
    books = Books(ledger)
    books.use("search", "ana", "1", external_id="a").load()
    books.use("search", "ana", "2", external_id="a").use("search", "ana", "1", external_id="a")
    (counts,) = books.load()
    assert (counts.received, counts.unchanged, counts.quarantined) == (2, 1, 1)
    assert [row.raw_cost for row in books.query("SELECT raw_cost FROM usage_quarantine")] == [2]


def test_the_digest_does_not_depend_on_the_order_of_the_rows(
    ledger: Ledger, another_ledger: Callable[[], Ledger]
) -> None:
    first = Books(ledger)
    forward = billed(first, delivery(first)[:5])
    second = Books(another_ledger())
    assert billed(second, delivery(second)[:5][::-1]) == forward


def test_the_digest_does_not_depend_on_how_often_the_work_was_done(
    ledger: Ledger, another_ledger: Callable[[], Ledger]
) -> None:
    """Half of it loaded, allocated and drafted first, the whole delivered again and refreshed, sent twice."""
    books = Books(ledger)
    rows = delivery(books)
    once = billed(books, rows)
    halting = Books(another_ledger())
    halting.load(rows[:3])
    halting.run()
    halting.load(rows)
    halting.run()
    halting.load(rows)
    numbers = halting.bill()
    halting.send(*numbers)
    assert hashes() == once


def test_the_digest_of_the_year_is_untouched_by_doing_nothing_new(books: Books) -> None:
    before = hashes()
    books.allocate("2026-11")
    books.run("2026-11", on="2026-12-01")
    assert books.sweep("2026-12-31") == []
    books.damage(
        "UPDATE invoices SET revision = revision + 1, created_at = now()",
        "UPDATE usage_records SET batch_id = 1",
        "UPDATE usage_manifests SET cost = 0 WHERE false",
        "DELETE FROM audit_log",
    )
    assert hashes() == before


CHANGES = {
    "a fact's cost": ({"usage"}, "UPDATE usage_records SET cost = 11 WHERE external_id = 'ten'"),
    "a fact's user": (
        {"usage"},
        "UPDATE usage_records SET user_id = 'u-x' WHERE external_id = 'ten'",
    ),
    "a fact's residual": (
        {"usage"},
        "UPDATE usage_records SET residual = 1E-19 WHERE external_id = 'ten'",
    ),
    "a refused row's state": (
        {"quarantine"},
        "UPDATE usage_quarantine SET state = 'waived', decided_at = now() WHERE external_id = 'open'",
    ),
    "who bears cost": (
        {"allocations"},
        "UPDATE allocations SET user_id = 'u-x' WHERE user_id = 'u-solo'",
    ),
    "the rule version that gave it": (
        {"allocations"},
        "UPDATE cost_pools SET rule_key = 2 WHERE rule_key = 1",
    ),
    "a status": ({"documents"}, f"UPDATE invoices SET status = 'overdue' WHERE number = '{ETL}'"),
    "a stale draft": (
        {"documents"},
        f"UPDATE invoices SET is_stale = true WHERE number = '{OPS_IN_NOVEMBER}'",
    ),
    "a due date": (
        {"documents"},
        f"UPDATE invoices SET due_date = due_date + 1 WHERE number = '{ETL}'",
    ),
    "a number": (
        {"documents", "lines", "claims"},
        f"UPDATE invoices SET number = 'INV-X' WHERE number = '{ETL}'",
    ),
    "a line's amount": ({"lines"}, "UPDATE invoice_lines SET amount = 9 WHERE amount = 2.5"),
    "a claim": (
        {"claims"},
        f"""DELETE FROM line_allocations WHERE line_id IN (SELECT line_id FROM invoice_lines
            JOIN invoices USING (invoice_id) WHERE number = '{LAB_IN_NOVEMBER}')""",
    ),
    "a claim that is active again": (
        {"claims"},
        f"""UPDATE line_allocations SET released_by_line_id = NULL WHERE allocation_id IN (
            SELECT allocation_id FROM allocations JOIN cost_pools USING (pool_id) WHERE retired_at IS NOT NULL)
            AND line_id IN (SELECT line_id FROM invoice_lines JOIN invoices USING (invoice_id)
                            WHERE number = '{SUPPORT}')""",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_digest_tells_of(books: Books, change: str) -> None:
    touched, statement = CHANGES[change]
    before = hashes()
    books.damage(statement)
    after = hashes()
    assert {name for name in before if before[name] != after[name]} == touched
    assert whole(before) != whole(after)


def test_the_digest_is_that_of_its_parts(books: Books) -> None:
    with snapshot() as connection:
        assert digest(connection) == whole(parts(connection))
    assert len(whole(hashes())) == 64
