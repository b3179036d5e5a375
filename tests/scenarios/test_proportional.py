"""Cost divided by a driver: what each weighs over the calendar month, with numbers worked by hand."""

from decimal import Decimal
from typing import Any

import pytest

from chargeback.errors import Invalid
from chargeback.ledger.allocation import AllocationCounts
from chargeback.ledger.database import snapshot
from chargeback.ledger.standing import Remark, standing
from chargeback.periods import Period
from chargeback.settings import settings
from models.enums import SourceRole
from tests.ledger.books import Books

TEAMS: dict[str, Any] = {"allocation_metadata": {"entity_type": "team"}}
NONE_LISTED = "nobody has a driver above zero that month"


def shared(**fields: Any) -> dict[str, Any]:
    """The platform team's cost, divided between search and etl unless `fields` say otherwise."""
    rule = {"rule_id": "platform", "rule_type": "proportional", "team_id": "platform", **TEAMS}
    return rule | {"entity_ids": ["search", "etl"]} | fields


def borne(books: Books, period: str = "2026-10") -> dict[str | None, Decimal]:
    """What each team bears of the period, in whatever user's name."""
    found: dict[str | None, Decimal] = {}
    for (team, _), cost in books.total_by_payer(period).items():
        found[team] = found.get(team, Decimal(0)) + cost
    return found


def remarks(books: Books) -> set[str | None]:
    return {row.remark for row in books.query("SELECT remark FROM cost_pools")}


def test_direct_cost_of_the_whole_month_divides_each_day(books: Books) -> None:
    """search caused 6 on the 5th and 2 on the 20th, etl 2: 80 and 20 per cent of 5 are 4 and 1."""
    books.rule(shared()).use("search", "ana", "6").use("search", "bob", "2", "2026-10-20")
    books.use("etl", "fay", "2", "2026-10-31").use("platform", "root", "5").allocate()
    assert borne(books) == {"search": Decimal(12), "etl": Decimal(3)}
    shares = books.query(
        "SELECT team_id, cost, quantity, weight FROM allocations WHERE weight IS NOT NULL ORDER BY 1"
    )
    assert shares == [
        ("etl", Decimal(1), Decimal("0.2"), Decimal(2)),
        ("search", Decimal(4), Decimal("0.8"), Decimal(8)),
    ]


def test_other_months_weigh_nothing(books: Books) -> None:
    books.rule(shared()).use("search", "ana", "6", "2026-09-30").use("etl", "fay", "2")
    books.use("platform", None, "5", "2026-10-20").allocate()
    assert borne(books) == {"etl": Decimal(7)}


def test_a_day_allocated_alone_is_divided_as_with_its_month(books: Books) -> None:
    books.rule(shared()).use("search", "ana", "6").use("etl", "fay", "2", "2026-10-30")
    books.use("platform", None, "4").allocate("2026-10-01/2026-10-10")
    assert borne(books, "2026-10-01/2026-10-10") == {"search": Decimal(9), "etl": Decimal(1)}
    assert books.allocate() == AllocationCounts(days=1, pools=1, allocations=1)


def test_usage_later_in_the_month_divides_earlier_days_anew(books: Books) -> None:
    books.rule(shared()).use("search", "ana", "6").use("etl", "fay", "2").use("platform", None, "8")
    books.allocate()
    assert borne(books) == {"search": Decimal(12), "etl": Decimal(4)}
    books.use("etl", "fay", "4", "2026-10-30").allocate()
    assert borne(books) == {"search": Decimal(10), "etl": Decimal(10)}


def test_what_is_billed_keeps_its_weights_and_what_comes_late_is_divided_by_todays(
    books: Books,
) -> None:
    """8 billed as 6 and 2; then etl causes 6 as search did, and 4 more of the platform's are halved."""
    books.rule(shared()).use("search", "ana", "6").use("etl", "fay", "2").use("platform", None, "8")
    books.bill()
    books.use("etl", "fay", "4").use("platform", None, "4").allocate()
    weights = books.query(
        """SELECT p.generation, a.team_id, a.cost, a.weight FROM allocations a JOIN cost_pools p USING (pool_id)
           WHERE a.weight IS NOT NULL ORDER BY 1, 2"""
    )
    assert weights == [
        (1, "etl", Decimal(2), Decimal(2)),
        (1, "search", Decimal(6), Decimal(6)),
        (2, "etl", Decimal(2), Decimal(6)),
        (2, "search", Decimal(2), Decimal(6)),
    ]


def test_cost_that_another_shared_rule_takes_is_not_direct(books: Books) -> None:
    """etl's 90 of gpu are split equally, so etl weighs 1 and search 3."""
    books.rule(shared())
    books.rule({"rule_id": "gpu", "rule_type": "equal_split", "entity_ids": ["search", "etl"], **TEAMS,
                "match": {"resource_types": ["gpu"]}})  # fmt: skip
    books.use("etl", "fay", "90", resource_type="gpu").use("etl", "fay", "1").use(
        "search", "ana", "3"
    )
    books.use("platform", None, "4").allocate()
    assert borne(books) == {"search": Decimal(3 + 45 + 3), "etl": Decimal(1 + 45 + 1)}


def test_what_a_team_splits_between_its_members_is_its_direct_cost(books: Books) -> None:
    books.rule(shared()).rule({"rule_id": "etl", "rule_type": "by_team", "team_id": "etl"})
    books.use("etl", "fay", "2").use("search", "ana", "6").use("platform", None, "8").allocate()
    assert borne(books) == {"search": Decimal(12), "etl": Decimal(4)}


def test_users_weigh_what_they_caused_even_where_it_is_charged_to_them_alone(books: Books) -> None:
    books.rule(shared(entity_ids=["ana", "bob"], allocation_metadata={"entity_type": "user"}))
    books.rule({"rule_id": "alone", "rule_type": "by_user", "user_ids": ["ana"]})
    books.use("search", "ana", "3").use("etl", "bob", "1").use("platform", None, "8").allocate()
    assert books.total_by_payer() == {
        (None, "ana"): Decimal(9), ("etl", "bob"): Decimal(1), (None, "bob"): Decimal(2)
    }  # fmt: skip


def test_a_negative_driver_counts_as_zero_and_bears_nothing(books: Books) -> None:
    books.rule(shared(entity_ids=["search", "etl", "care"]))
    books.use("search", "ana", "1").use("etl", "fay", "-5").use("care", "cat", "3")
    books.use("platform", None, "8").allocate()
    assert borne(books) == {"search": Decimal(3), "etl": Decimal(-5), "care": Decimal(9)}


def test_where_every_driver_is_zero_or_below_those_listed_bear_equal_parts_and_it_is_said(
    books: Books,
) -> None:
    books.rule(shared()).use("search", "ana", "0").use("etl", "fay", "-5")
    books.use("platform", None, "0.000000000000000003").allocate()
    assert borne(books) == {
        "search": Decimal("0.000000000000000001"), "etl": Decimal("-4.999999999999999998")
    }  # fmt: skip
    assert "nobody listed has a driver above zero that month, so all bear equal parts" in remarks(
        books
    )


def test_a_tiny_driver_bears_to_the_last_digit(books: Books) -> None:
    """search weighs 10⁻¹⁸, etl 1: of 10¹⁸ search bears 1 less its 10⁻¹⁸th part, rounded to 18 decimals."""
    books.rule(shared()).use("search", "ana", "0.000000000000000001").use("etl", "fay", "1")
    books.use("platform", None, "1000000000000000000").allocate()
    share = books.query(
        "SELECT cost FROM allocations WHERE team_id = 'search' AND weight IS NOT NULL"
    )
    assert share == [(Decimal("0.999999999999999999"),)]


def test_a_tiny_cost_goes_whole_to_the_largest_remainder(books: Books) -> None:
    books.rule(shared()).use("search", "ana", "1").use("etl", "fay", "2")
    books.use("platform", None, "-0.000000000000000001").allocate()
    assert borne(books) == {"search": Decimal(1), "etl": Decimal("1.999999999999999999")}


def test_where_nobody_is_listed_every_team_with_a_driver_bears_its_part(books: Books) -> None:
    books.rule(shared(entity_ids=[])).use("search", "ana", "6").use("etl", "fay", "2")
    books.use("idle", None, "-1").use(None, "solo", "50").use("platform", None, "8").allocate()
    assert borne(books) == {
        "search": Decimal(12), "etl": Decimal(4), "idle": Decimal(-1), None: Decimal(50)
    }  # fmt: skip


def test_where_nobody_is_listed_and_nobody_weighs_it_is_unattributed_with_the_reason(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.rule(shared(entity_ids=[])).use("platform", None, "8").allocate()
    assert books.total_by_payer() == {(None, None): Decimal(8)}
    assert remarks(books) == {NONE_LISTED}
    monkeypatch.setenv("CHARGEBACK_UNATTRIBUTED_TEAM", "finance")
    settings.cache_clear()
    books.allocate()
    assert borne(books) == {"finance": Decimal(8)}


def test_the_quantity_of_a_resource_type_divides_whatever_it_costs(books: Books) -> None:
    """30 and 10 hours of gpu are 3 to 1; minutes of gpu and tokens do not count."""
    books.rule(shared(driver={"resource_type": "gpu", "unit": "hours"}))
    books.use("search", "ana", "1", resource_type="gpu", unit="hours", quantity="30")
    books.use("etl", "fay", "0", resource_type="gpu", unit="hours", quantity="10")
    books.use("etl", "fay", "0", resource_type="gpu", unit="minutes", quantity="600")
    books.use("etl", "fay", "0", quantity="1000").use("platform", None, "8").allocate()
    assert borne(books) == {"search": Decimal(7), "etl": Decimal(2)}


def heads(books: Books) -> Books:
    return Books(books.ledger, "headcount", SourceRole.WEIGHTS)


def test_a_source_of_weights_divides_and_bears_nothing_itself(books: Books) -> None:
    """15 heads to 5; when etl has 15 too, the whole of October is halved."""
    weights = heads(books)
    books.rule(shared(driver={"source": "headcount"})).use("platform", None, "8").load()
    weights.use("search", None, "0", "2026-10-01", quantity="15")
    weights.use("etl", None, "0", "2026-10-01", quantity="5").load()
    books.allocate()
    assert borne(books) == {"search": Decimal(6), "etl": Decimal(2)}
    weights.use("etl", None, "0", "2026-10-31", quantity="10").load()
    books.allocate()
    assert borne(books) == {"search": Decimal(4), "etl": Decimal(4)}
    assert books.allocate() == AllocationCounts()


def test_weights_of_another_month_dirty_nothing(books: Books) -> None:
    weights = heads(books)
    books.rule(shared(driver={"source": "headcount"})).use("platform", None, "8").allocate()
    weights.use("etl", None, "0", "2026-11-01", quantity="10").load()
    assert books.allocate("2026-12") == AllocationCounts()


@pytest.mark.parametrize(
    ("source", "reason"),
    [("headcounts", "there is no such source"), ("tracker", "its role is allocate")],
)
def test_a_driver_whose_source_gives_no_weights_is_refused(
    books: Books, source: str, reason: str
) -> None:
    with pytest.raises(
        Invalid, match=f"'{source}' gives no weights, because {reason}; add it first"
    ):
        books.rule(shared(driver={"source": source}))


def test_an_owner_found_for_a_later_day_changes_the_weights_of_the_whole_month(
    books: Books,
) -> None:
    books.rule(shared()).use("search", "ana", "3").use(agent="bot", cost="3", day="2026-10-20")
    books.use("platform", None, "4").allocate()
    assert borne(books) == {"search": Decimal(7), None: Decimal(3)}
    books.import_yaml("owners: {agent: {bot: [{team: etl, from: 2026-10-15}]}}")
    books.allocate()
    assert borne(books) == {"search": Decimal(5), "etl": Decimal(5)}


def test_a_rule_that_begins_in_mid_month_changes_the_weights_of_the_days_before(
    books: Books,
) -> None:
    """From the 15th etl's cost is charged to fay alone, so search alone weighs anything on the 5th."""
    books.rule(shared()).use("search", "ana", "3").use("etl", "fay", "3", "2026-10-20")
    books.use("platform", None, "4").allocate()
    assert borne(books) == {"search": Decimal(5), "etl": Decimal(5)}
    books.rule(
        {"rule_id": "fay", "rule_type": "by_user", "user_ids": ["fay"], "valid_from": "2026-10-15"}
    )
    books.allocate()
    assert borne(books) == {"search": Decimal(7), None: Decimal(3)}


def test_deleting_the_rule_gives_the_cost_back(books: Books) -> None:
    books.rule(shared()).use("search", "ana", "3").use("platform", None, "4").allocate()
    books.delete_rule("platform").allocate()
    assert borne(books) == {"search": Decimal(3), "platform": Decimal(4)}


def test_the_status_tells_where_nobody_had_a_driver(books: Books) -> None:
    books.rule(shared()).use("platform", None, "8").use(
        "platform", None, "1", "2026-10-06"
    ).allocate()
    with snapshot() as connection:
        found = standing(connection, Period.parse("2026-10"))
        assert standing(connection, Period.parse("2026-09")).remarks == ()
    reason = "nobody listed has a driver above zero that month, so all bear equal parts"
    assert found.remarks == (Remark("platform", reason, Decimal(9), 2),)
