"""Two processes that do the same thing at once: one effect, no raw database error, no state that is not allowed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from functools import partial
from threading import Barrier

import pytest

from chargeback.errors import ChargebackError, Refused, Unavailable
from chargeback.ledger import allocation, drafting, issuing
from chargeback.ledger.database import transaction
from chargeback.payer import Payer
from chargeback.periods import Period
from models.enums import InvoiceStatus
from tests.ledger.books import ACTOR, Books

OCTOBER, ON = Period.month("2026-10"), date(2026, 11, 1)


def at_once(*acts: Callable[[], object]) -> list[object]:
    """What each act returned, or the error of Chargeback's own that it raised; begun together."""
    barrier = Barrier(len(acts))

    def begin(act: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return act()
        except ChargebackError as error:
            return error

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(begin, acts))


def draft_run() -> list[drafting.Drafted]:
    with transaction() as connection:
        return drafting.draft_run(connection, OCTOBER, ON, ACTOR)


def draft_for(payer: Payer, number: str | None = None) -> drafting.Drafted:
    with transaction() as connection:
        return drafting.draft_one(connection, payer, OCTOBER, ON, ACTOR, number)


@pytest.fixture
def busy_books(books: Books) -> Books:
    """Ten days, loaded and not yet allocated: three teams with 1.00 each and 3.00 that they share; 60.00 in all."""
    books.rule(
        {
            "rule_id": "shared",
            "rule_type": "equal_split",
            "match": {"agent_ids": ["helpdesk"]},
            "entity_ids": ["etl", "search", "support"],
            "allocation_metadata": {"entity_type": "team"},
        }
    )
    for day in range(1, 11):
        for team in ("etl", "search", "support"):
            books.use(team, f"{team}-user", "1.00", f"2026-10-{day:02}")
        books.use(agent="helpdesk", cost="3.00", day=f"2026-10-{day:02}")
    books.load()
    return books


def test_two_allocations_at_once_book_every_cost_once(busy_books: Books) -> None:
    done = at_once(*3 * [partial(allocation.allocate, OCTOBER.end)])
    assert (
        sum(counts.pools for counts in done if isinstance(counts, allocation.AllocationCounts))
        == 40
    )
    assert not [counts for counts in done if isinstance(counts, ChargebackError)]
    assert sum(busy_books.total_by_payer().values()) == Decimal(60)


def test_two_runs_at_once_make_one_invoice_each(busy_books: Books) -> None:
    busy_books.allocate()
    first, second = at_once(draft_run, draft_run)
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert sorted(d.number for d in first) == sorted(d.number for d in second)
    assert {drafted.outcome for drafted in (*first, *second)} == {"made", "unchanged"}
    assert busy_books.query("SELECT count(*) AS n, sum(total) AS total FROM invoices")[0] == (3, 60)


def test_drafts_of_overlapping_scopes_at_once_share_the_cost(busy_books: Books) -> None:
    busy_books.allocate()
    payers = [Payer("search"), Payer(None, "search-user"), Payer("search", "search-user"), Payer()]
    done = at_once(*(partial(draft_for, payer) for payer in payers))
    assert not [drafted for drafted in done if isinstance(drafted, ChargebackError)]
    assert busy_books.query("SELECT sum(total) AS total FROM invoices")[0].total == Decimal(60)


def test_one_number_given_to_two_at_once_goes_to_one(busy_books: Books) -> None:
    busy_books.allocate()
    done = at_once(*(partial(draft_for, Payer(team), "OURS-1") for team in ("etl", "search")))
    (refused,) = [drafted for drafted in done if isinstance(drafted, ChargebackError)]
    assert isinstance(refused, Refused)


def test_a_draft_sent_while_its_days_are_allocated_anew_is_sent_true_or_refused(
    busy_books: Books,
) -> None:
    number = busy_books.draft("search").number
    busy_books.use("search", "search-user", "5.00", "2026-10-05").load()
    sent, allocated = at_once(
        partial(busy_books.send, number), partial(allocation.allocate, OCTOBER.end)
    )
    assert isinstance(allocated, allocation.AllocationCounts)
    is_sent = busy_books.view(number).status is InvoiceStatus.SENT
    assert is_sent or isinstance(sent, Refused)
    assert sum(busy_books.total_by_payer().values()) == Decimal(65)


@pytest.mark.parametrize("attempt", range(3))
def test_pay_sweep_and_cancel_at_once_end_in_one_allowed_state(books: Books, attempt: int) -> None:
    (number,) = books.use("search", "ana", "10.00").bill()
    at_once(
        partial(books.pay, number),
        partial(books.sweep, "2027-01-01"),
        partial(books.cancel, number),
    )
    view = books.view(number)
    is_credited = view.credited_by_number is not None
    assert (view.status, is_credited) in [
        (InvoiceStatus.PAID, False),
        (InvoiceStatus.CANCELLED, True),
    ]


def test_an_invoice_cancelled_twice_at_once_has_one_credit_note(books: Books) -> None:
    (number,) = books.use("search", "ana", "10.00").bill()
    done = at_once(*3 * [partial(books.cancel, number)])
    assert sorted(moved.has_changed for moved in done if isinstance(moved, issuing.Moved)) == [
        False,
        False,
        True,
    ]
    assert books.query("SELECT count(*) AS n FROM invoices WHERE kind = 'credit_note'")[0].n == 1


def test_one_delivery_loaded_by_two_at_once_is_booked_once(books: Books) -> None:
    rows = list(books.use("search", "ana", "1.00").use("etl", "fay", "2.00").waiting)
    done = at_once(*2 * [partial(books.load, rows)])
    assert not [counts for counts in done if isinstance(counts, ChargebackError)]
    assert books.query("SELECT count(*) AS n, sum(cost) AS cost FROM usage_records")[0] == (2, 3)


def test_loading_allocating_drafting_and_editing_rules_at_once_need_no_more_than_a_retry(
    busy_books: Books,
) -> None:
    def import_again(priority: int) -> object:
        return busy_books.import_yaml(
            f"rules: [{{rule_id: a, rule_type: by_usage, priority: {priority}, match: {{agent_ids: [x]}}}},"
            f" {{rule_id: b, rule_type: by_usage, priority: {priority}, match: {{agent_ids: [y]}}}}]"
        )

    busy_books.allocate()
    rows = list(busy_books.use("search", "search-user", "5.00", "2026-10-05").waiting)
    done = at_once(
        partial(busy_books.load, rows), partial(allocation.allocate, OCTOBER.end), draft_run,
        partial(import_again, 1), partial(import_again, 2),
    )  # fmt: skip
    assert not [
        error
        for error in done
        if isinstance(error, ChargebackError) and not isinstance(error, Unavailable)
    ]
    busy_books.waiting = []
    busy_books.load(rows)
    assert sum(drafted.total for drafted in busy_books.run()) == Decimal(65)


def test_an_exchange_rate_set_by_three_at_once_is_told_of_once(books: Books) -> None:
    rate = ("2026-10", "EUR", "1.1")
    done = at_once(*3 * [partial(books.exchange, rate)])
    assert not [error for error in done if isinstance(error, ChargebackError)]
    told = books.query("SELECT count(*) AS n FROM audit_log WHERE action = 'exchange_rate.set'")
    assert told[0].n == 1
