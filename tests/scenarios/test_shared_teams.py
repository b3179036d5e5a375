"""`by_team` over a month: members that day, else the users seen that month, else the team itself."""

from decimal import Decimal

from chargeback.periods import Period
from tests.ledger.books import Books

SHARED = {"rule_id": "shared", "rule_type": "by_team", "team_id": "search"}


def use_daily(books: Books, user: str, cost: str) -> Books:
    for day in Period.month("2026-10").days():
        books.use("search", user, cost, day.isoformat())
    return books


def test_a_joiner_on_the_16th_bears_half_from_the_16th_on(books: Books) -> None:
    books.import_yaml(
        "teams: [{id: search, members: [{user: ana}, {user: bob, from: 2026-10-16}]}]"
    )
    use_daily(books.rule(SHARED), "ana", "3.10").allocate()
    # 15 days alone are 46.50; of the other 16, 49.60, each bears 24.80.
    assert books.total_by_payer() == {
        ("search", "ana"): Decimal("71.30"),
        ("search", "bob"): Decimal("24.80"),
    }


def test_a_leaver_bears_nothing_from_the_day_on_that_ends_the_membership(books: Books) -> None:
    books.import_yaml("teams: [{id: search, members: [{user: ana}, {user: bob, to: 2026-10-16}]}]")
    use_daily(books.rule(SHARED), "ana", "3.10").allocate()
    # 15 days are halved, 23.25 each; 16 days, 49.60, are ana's alone.
    assert books.total_by_payer() == {
        ("search", "ana"): Decimal("72.85"),
        ("search", "bob"): Decimal("23.25"),
    }


def test_without_members_all_users_seen_in_the_month_share_each_day(books: Books) -> None:
    books.rule(SHARED).use("search", "ana", "10.00", "2026-10-05").allocate()
    assert books.total_by_payer() == {("search", "ana"): Decimal(10)}
    books.use("search", "bob", "4.00", "2026-10-20").use(
        "search", "cat", "1.00", "2026-11-01"
    ).allocate("2026-11")
    assert books.total_by_payer() == {("search", "ana"): Decimal(7), ("search", "bob"): Decimal(7)}


def test_a_user_seen_late_shares_only_the_days_that_are_not_frozen(books: Books) -> None:
    books.rule(SHARED).use("search", "ana", "10.00", "2026-10-05").use(
        "search", "ana", "6.00", "2026-10-20"
    )
    books.send(books.draft("search", period="2026-10-01/2026-10-10").number)
    books.use("search", "bob", "2.00", "2026-10-20").allocate()
    assert books.total_by_payer() == {("search", "ana"): Decimal(14), ("search", "bob"): Decimal(4)}


def test_members_bear_the_cost_and_a_guest_who_caused_it_does_not(books: Books) -> None:
    books.import_yaml("teams: [{id: search, members: [{user: ana}, {user: bob}]}]")
    books.rule(SHARED).use("search", "guest", "9.00").allocate()
    assert books.total_by_payer() == {
        ("search", "ana"): Decimal("4.50"),
        ("search", "bob"): Decimal("4.50"),
    }


def test_a_team_with_neither_members_nor_users_bears_its_cost_itself(books: Books) -> None:
    books.import_yaml("owners: {agent: {crawler: [{team: search}]}}")
    books.rule(SHARED).use(agent="crawler", cost="9.00").allocate()
    assert books.total_by_payer() == {("search", None): Decimal(9)}


def test_members_registered_later_take_over_what_is_not_billed(books: Books) -> None:
    books.rule(SHARED).use("search", "ana", "9.00").allocate()
    books.import_yaml("teams: [{id: search, members: [{user: bob}]}]")
    books.allocate()
    assert books.total_by_payer() == {("search", "bob"): Decimal(9)}
