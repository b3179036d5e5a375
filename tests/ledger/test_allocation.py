"""Who bears what: the rule types by hand, then that nothing is ever lost or done twice."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from chargeback import money, rules
from chargeback.ledger import rulebook, usage, usage_sources
from chargeback.ledger.allocation import (
    AllocationCounts,
    BooksDoNotTie,
    _assert_tied,
    allocate,
    allocate_days,
)
from chargeback.ledger.chunks import chunks
from chargeback.ledger.classification import classify
from chargeback.ledger.database import transaction
from chargeback.ledger.pools import insert_pools, remove_stale
from chargeback.settings import settings as chargeback_settings
from chargeback.sources.contract import Usage
from tests.ledger.books import ACTOR, SOURCE, Books, day_at, undone

TO_TEAMS = {"allocation_metadata": {"entity_type": "team"}}


def test_by_usage_charges_who_used_it_inside_the_team(books: Books) -> None:
    books.rule({"rule_id": "r", "rule_type": "by_usage", "team_id": "search"})
    books.use("search", "ana", "3.00").use("search", "bob", "1.00").use(
        "search", None, "0.50"
    ).allocate()
    assert books.total_by_payer() == {
        ("search", "ana"): Decimal(3), ("search", "bob"): Decimal(1), ("search", None): Decimal("0.5")
    }  # fmt: skip


def test_by_team_shares_the_teams_cost_between_its_members(books: Books) -> None:
    books.import_yaml("teams: [{id: search, members: [{user: ana}, {user: bob}, {user: cat}]}]")
    books.rule({"rule_id": "r", "rule_type": "by_team", "team_id": "search"})
    books.use("search", "ana", "1.00").use("etl", "fay", "2.00").allocate()
    third = Decimal("0.333333333333333333")
    assert books.total_by_payer() == {
        ("search", "ana"): Decimal("0.333333333333333334"), ("search", "bob"): third, ("search", "cat"): third,
        ("etl", "fay"): Decimal(2),
    }  # fmt: skip


def test_by_user_charges_each_listed_user_alone_for_what_it_caused_in_any_team(
    books: Books,
) -> None:
    books.rule({"rule_id": "r", "rule_type": "by_user", "user_ids": ["ana", "bob"]})
    books.use("search", "ana", "3.00").use("etl", "ana", "1.00").use("etl", "bob", "0.50").use(
        "etl", "cat", "0.25"
    )
    books.allocate()
    assert books.total_by_payer() == {
        (None, "ana"): Decimal(4), (None, "bob"): Decimal("0.5"), ("etl", "cat"): Decimal("0.25")
    }  # fmt: skip


def test_fixed_split_charges_by_percentage_and_zero_per_cent_nobody(books: Books) -> None:
    percentages = {"etl": "62.5", "search": "37.5", "support": "0"}
    books.rule(
        {"rule_id": "r", "rule_type": "fixed_split", "split_percentages": percentages, **TO_TEAMS}
    )
    books.use("search", "ana", "8.00", quantity="16").allocate()
    assert books.total_by_payer() == {("etl", None): Decimal(5), ("search", None): Decimal(3)}
    shares = books.query("SELECT team_id, quantity FROM allocations ORDER BY team_id")
    assert shares == [("etl", Decimal(10)), ("search", Decimal(6))]


def test_equal_split_charges_teams_and_users_each_alone(books: Books) -> None:
    books.import_yaml("teams: [{id: etl}]\nusers: [{id: fay}]")
    books.rule({"rule_id": "r", "rule_type": "equal_split", "entity_ids": ["etl", "fay"]})
    books.use("search", "ana", "8.00").allocate()
    assert books.total_by_payer() == {("etl", None): Decimal(4), (None, "fay"): Decimal(4)}


def test_one_id_in_a_split_as_the_only_receiver_bears_it_all(books: Books) -> None:
    books.rule({"rule_id": "r", "rule_type": "equal_split", "user_ids": ["ana"]})
    books.use("search", "bob", "0.000000000000000001").allocate()
    assert books.total_by_payer() == {(None, "ana"): Decimal("0.000000000000000001")}


def test_usage_without_owner_goes_to_the_team_named_by_the_setting(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.use(cost="3.00").allocate()
    assert books.total_by_payer() == {(None, None): Decimal(3)}
    monkeypatch.setenv("CHARGEBACK_UNATTRIBUTED_TEAM", "platform")
    chargeback_settings.cache_clear()
    assert books.allocate().replaced_pools == 1
    assert books.total_by_payer() == {("platform", None): Decimal(3)}
    assert [d.payer.team_id for d in books.run()] == ["platform"]


def test_usage_without_owner_is_on_no_invoice_where_no_team_is_named(books: Books) -> None:
    books.use(cost="3.00").use("search", "ana", "1.00")
    assert books.draft().total == Decimal("1.00")
    assert [d.payer.team_id for d in books.run()] == []


def test_allocating_twice_does_nothing_and_says_so(books: Books) -> None:
    books.rule({"rule_id": "r", "rule_type": "equal_split", "user_ids": ["ana", "bob"]})
    assert books.use("search", "ana", "1.00").allocate() == AllocationCounts(
        days=1, pools=1, allocations=2
    )
    assert books.allocate() == AllocationCounts()


def test_new_usage_replaces_only_the_pool_it_belongs_to(books: Books) -> None:
    books.use("search", "ana", "1.00").use("etl", "fay", "2.00").allocate()
    counts = books.use("search", "bob", "1.00").allocate()
    assert counts == AllocationCounts(days=1, pools=1, allocations=2, replaced_pools=1)


def test_days_after_the_period_wait(books: Books) -> None:
    books.use("search", "ana", "1.00", "2026-10-31").use(
        "search", "ana", "2.00", "2026-11-01"
    ).allocate("2026-10")
    assert books.total_by_payer("2026-11") == {}
    books.allocate("2026-11")
    assert books.total_by_payer("2026-11") == {("search", "ana"): Decimal(2)}


def test_old_days_are_allocated_with_the_newer_ones(books: Books) -> None:
    books.use("search", "ana", "1.00", "2020-02-29").allocate("2026-10")
    assert books.total_by_payer("2020-02") == {("search", "ana"): Decimal(1)}


def test_progress_is_told_month_by_month(books: Books) -> None:
    books.use("search", "ana", "1.00", "2026-09-05").use(
        "search", "ana", "1.00", "2026-10-05"
    ).load()
    heard: list[tuple[date, int, int]] = []
    allocate(date(2026, 11, 1), say=lambda *said: heard.append(said))
    assert heard == [(date(2026, 9, 5), 1, 2), (date(2026, 10, 5), 2, 2)]


def test_a_rule_that_is_the_same_again_dirties_nothing(books: Books) -> None:
    spec = {
        "rule_id": "r",
        "rule_type": "fixed_split",
        "split_percentages": {"a-long-name": "60", "b": "40"},
        **TO_TEAMS,
    }
    books.rule(spec).use("search", "ana").allocate()
    assert books.rule(spec).allocate() == AllocationCounts()
    assert (
        books.query("SELECT max(version) AS v FROM allocation_rules WHERE rule_id = 'r'")[0].v == 1
    )


def forget_the_allocations(day: date) -> None:
    """What `allocate_days` does, without the step that says who bears the new pools."""
    with transaction() as connection:
        classify(connection, [day], [])
        remove_stale(connection, [])
        insert_pools(connection, [day])
        _assert_tied(connection)


def test_books_that_do_not_tie_are_never_committed(books: Books) -> None:
    books.use("search", "ana", "1.00").load()
    with pytest.raises(BooksDoNotTie, match="0 cells in no pool and 1 pools not borne whole"):
        forget_the_allocations(date(2026, 10, 5))
    assert books.query("SELECT count(*) AS n FROM cost_pools")[0].n == 0


AMOUNTS = st.integers(-(10**30), 10**30).map(money.amount)
WEIGHTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=7).filter(any)


def as_percentages(weights: list[int]) -> dict[str, str]:
    """The weights as percentages of 15 decimals that add up to 100."""
    parts = money.split(100 * 10**15, {f"e{n}": weight for n, weight in enumerate(weights)})
    return {key: f"{Decimal(part).scaleb(-15):f}" for key, part in parts.items()}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    amounts=st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=6),
    weights=WEIGHTS,
    kind=st.sampled_from(("fixed_split", "equal_split", "by_team")),
)
def test_a_pool_is_borne_whole_and_its_reversal_takes_back_exactly_that(
    october: Books, amounts: list[tuple[Decimal, Decimal]], weights: list[int], kind: str
) -> None:
    """The 5th has the amounts, the 6th their reversals."""
    spec: dict[str, Any] = {"rule_id": "r", "rule_type": kind}
    if kind == "fixed_split":
        spec |= {
            "split_percentages": as_percentages(weights),
            "allocation_metadata": {"entity_type": "user"},
        }
    elif kind == "equal_split":
        spec |= {"user_ids": [f"e{n}" for n in range(len(weights))]}
    else:
        spec |= {"team_id": "search"}
    rows = [
        Usage(n, f"{day}-{n}", day_at(day), "search", f"u{n % 3}", None, None, None, "t", None, "t",
              booked(quantity), booked(cost))
        for day, booked in (("2026-10-05", Decimal), ("2026-10-06", Decimal.copy_negate))
        for n, (cost, quantity) in enumerate(amounts)
    ]  # fmt: skip
    with undone() as connection:
        rulebook.put(connection, rules.parse(spec), ACTOR)
        source_id = usage_sources.find(connection, SOURCE).source_id
        for chunk in chunks(rows, SOURCE, chargeback_settings().zone, 1000):
            usage.load(connection, source_id, "a test", [chunk], None)
        allocate_days(connection, [date(2026, 10, 5), date(2026, 10, 6)])
        shares: dict[date, dict[str, tuple[Decimal, Decimal]]] = {}
        for share in connection.execute(
            text("SELECT usage_date, user_id, cost, quantity FROM allocations")
        ):
            shares.setdefault(share.usage_date, {})[share.user_id] = (share.cost, share.quantity)
    booked, taken_back = (shares[day] for day in sorted(shares))
    assert money.exact_sum(cost for cost, _ in booked.values()) == money.exact_sum(
        cost for cost, _ in amounts
    )
    assert money.exact_sum(q for _, q in booked.values()) == money.exact_sum(q for _, q in amounts)
    assert taken_back == {
        user: (cost.copy_negate(), quantity.copy_negate())
        for user, (cost, quantity) in booked.items()
    }
