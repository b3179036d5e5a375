"""Cost passed on in declared stages: from the platform team to data, from data to those who use it."""

from decimal import Decimal
from typing import Any

import pytest

from chargeback.errors import Invalid, Refused
from chargeback.ledger.allocation import AllocationCounts
from chargeback.ledger.database import snapshot
from chargeback.ledger.digest import digest
from chargeback.ledger.exports import charges
from chargeback.ledger.reconcile import reconcile
from chargeback.ledger.reports import reports
from chargeback.periods import Period
from models.enums import InvoiceStatus
from tests.ledger.books import Books
from tests.ledger.soundness import assert_sound

TEAMS: dict[str, Any] = {"allocation_metadata": {"entity_type": "team"}}


def passes(team: str, stage: int, percentages: dict[str, int], **more: Any) -> dict[str, Any]:
    """A rule named after the team whose cost it passes on."""
    return {"rule_id": team, "rule_type": "fixed_split", "stage": stage, "team_id": team,
            "split_percentages": percentages, **TEAMS, **more}  # fmt: skip


def teams(books: Books, period: str = "2026-10") -> dict[str | None, Decimal]:
    found: dict[str | None, Decimal] = {}
    for (team, _), cost in books.total_by_payer(period).items():
        found[team] = found.get(team, Decimal(0)) + cost
    return found


def three_stages(books: Books) -> Books:
    """100 of platform; data has 20 of its own, search 6 and etl 2.

    Stage 1 splits the 10 of the shared agent evenly between platform and data: 105 and 25 are theirs.
    Stage 2 passes platform's 105 on to data (60 %: 63) and search (40 %: 42): data has 88.
    Stage 3 passes data's 88 on by direct cost, 6 to 2: search bears 66 of it, etl 22.
    """
    books.rule({"rule_id": "agent", "rule_type": "equal_split", "match": {"agent_ids": ["bot"]},
                "entity_ids": ["platform", "data"], **TEAMS})  # fmt: skip
    books.rule(passes("platform", 2, {"data": 60, "search": 40}))
    books.rule({"rule_id": "data", "rule_type": "proportional", "stage": 3, "team_id": "data",
                "entity_ids": ["search", "etl"], **TEAMS})  # fmt: skip
    books.use("platform", "root", "100").use("data", "dan", "20").use(agent="bot", cost="10")
    return books.use("search", "ana", "6").use("etl", "fay", "2")


AFTER_THREE = {"search": Decimal(6 + 42 + 66), "etl": Decimal(2 + 22)}


def test_three_chained_stages_add_up_to_what_was_used(books: Books) -> None:
    three_stages(books).allocate()
    assert teams(books) == AFTER_THREE
    assert sum(AFTER_THREE.values()) == 138
    assert books.allocate() == AllocationCounts()


def test_every_stage_keeps_source_resource_type_unit_and_quantity(books: Books) -> None:
    books.rule(passes("platform", 2, {"search": 75, "etl": 25}))
    books.use("platform", None, "4", resource_type="gpu", unit="hours", quantity="8").allocate()
    found = books.query(
        """SELECT a.team_id, p.resource_type, p.unit, a.cost, a.quantity, a.weight, p.record_count
           FROM allocations a JOIN cost_pools p USING (pool_id) WHERE a.team_id <> 'platform' ORDER BY 1"""
    )
    assert found == [
        ("etl", "gpu", "hours", Decimal(1), Decimal(2), Decimal(25), 0),
        ("search", "gpu", "hours", Decimal(3), Decimal(6), Decimal(75), 0),
    ]


def test_what_is_passed_on_is_billed_to_those_it_was_passed_on_to_only(books: Books) -> None:
    three_stages(books)
    billed = {books.view(number).team_id: books.view(number).total for number in books.bill()}
    assert billed == {"search": Decimal("114.00"), "etl": Decimal("24.00")}
    assert books.draft("platform").total == 0
    with snapshot() as connection:
        found = reconcile(connection, Period.parse("2026-10"))
        charged = sum(row.cost for row in charges(connection, Period.parse("2026-10")))
        reported = {
            one.subject_id: one.total_cost
            for one in reports(connection, "team", Period.parse("2026-10"))
        }
    assert found.difference == 0
    assert charged == 138
    assert [found.sources[0].allocated, found.sources[0].invoiced] == [138, 138]
    assert {team: cost for team, cost in reported.items() if cost} == AFTER_THREE


def test_it_is_the_same_at_once_and_day_by_day(books: Books) -> None:
    three_stages(books).use("platform", None, "7", "2026-10-20").use(
        "etl", "fay", "1", "2026-10-02"
    )
    books.allocate()
    with snapshot() as connection:
        at_once = digest(connection)
    for table in ("pool_allocations", "pool_cells", "allocations", "cost_pools"):
        books.query(f"DELETE FROM {table}")
    books.query("UPDATE allocation_days SET is_dirty = true, inputs_digest = NULL")
    for end in ("02", "05", "20", "31"):
        books.allocate(f"2026-10-01/2026-10-{end}")
    with snapshot() as connection:
        assert digest(connection) == at_once


def test_a_rule_may_pass_on_some_resource_types_only(books: Books) -> None:
    books.rule(passes("platform", 2, {"search": 100}, match={"resource_types": ["gpu"]}))
    books.use("platform", None, "4", resource_type="gpu").use("platform", None, "1").allocate()
    assert teams(books) == {"platform": Decimal(1), "search": Decimal(4)}


def test_the_first_rule_in_order_passes_it_on_and_no_cost_twice(books: Books) -> None:
    books.rule(passes("platform", 2, {"search": 100}, priority=1))
    books.rule(passes("platform", 2, {"etl": 100}) | {"rule_id": "second"})
    books.use("platform", None, "4").allocate()
    assert teams(books) == {"search": Decimal(4)}


def test_what_members_share_is_passed_on_too(books: Books) -> None:
    books.import_yaml("teams: [{id: platform, members: [{user: ana}, {user: bob}]}]")
    books.rule({"rule_id": "members", "rule_type": "by_team", "team_id": "platform"})
    books.rule(passes("platform", 2, {"search": 100}))
    books.use("platform", "ana", "4").allocate()
    assert books.total_by_payer() == {("search", None): Decimal(4)}


def test_a_rule_that_begins_later_leaves_the_days_before(books: Books) -> None:
    books.rule(passes("platform", 2, {"search": 100}, valid_from="2026-10-16"))
    books.use("platform", None, "1", "2026-10-15").use(
        "platform", None, "2", "2026-10-16"
    ).allocate()
    assert teams(books) == {"platform": Decimal(1), "search": Decimal(2)}


def test_where_nobody_is_listed_teams_that_pass_on_are_left_out(books: Books) -> None:
    """platform and data caused most of it, but only search and etl keep what they bear."""
    books.rule({"rule_id": "p", "rule_type": "proportional", "stage": 2, "team_id": "platform"})
    books.rule({"rule_id": "d", "rule_type": "proportional", "stage": 3, "team_id": "data"})
    books.use("platform", None, "8").use("data", None, "4").use("search", "a", "3").use(
        "etl", "f", "1"
    )
    books.allocate()
    assert teams(books) == {"search": Decimal(3 + 6 + 3), "etl": Decimal(1 + 2 + 1)}


def test_new_usage_moves_through_every_stage(books: Books) -> None:
    three_stages(books).allocate()
    books.use("platform", None, "100").allocate()
    assert teams(books) == {
        "search": AFTER_THREE["search"] + 40 + 45,
        "etl": AFTER_THREE["etl"] + 15,
    }


def test_a_deleted_rule_gives_the_cost_back_to_the_team(books: Books) -> None:
    three_stages(books).allocate()
    books.delete_rule("data").allocate()
    assert teams(books) == {"data": Decimal(88), "search": Decimal(48), "etl": Decimal(2)}
    books.delete_rule("platform").allocate()
    assert teams(books) == {
        "platform": Decimal(105), "data": Decimal(25), "search": Decimal(6), "etl": Decimal(2)
    }  # fmt: skip


def test_an_edit_to_another_stage_takes_what_it_now_comes_after(books: Books) -> None:
    """In stage 3 platform passes on as before, but data, in stage 2, has only its own 20 to pass."""
    books.rule(passes("platform", 2, {"data": 100})).rule(passes("data", 3, {"search": 100}))
    books.use("platform", None, "10").use("data", None, "20").allocate()
    assert teams(books) == {"search": Decimal(30)}
    books.rule(passes("data", 2, {"search": 100})).allocate()
    assert teams(books) == {"search": Decimal(20), "data": Decimal(10)}
    books.rule(passes("platform", 3, {"data": 100})).rule(
        passes("data", 4, {"search": 100})
    ).allocate()
    assert teams(books) == {"search": Decimal(30)}


def test_the_draft_of_a_team_whose_cost_is_passed_on_is_stale(books: Books) -> None:
    books.use("platform", None, "10")
    number = books.draft("platform").number
    counts = books.rule(passes("platform", 2, {"search": 100})).allocate()
    assert counts.stale_drafts == 1
    with pytest.raises(Refused, match="stale"):
        books.send(number)
    assert books.draft("platform").total == 0
    assert books.draft("search").total == 10


def test_what_was_billed_to_the_team_is_not_passed_on_until_it_is_cancelled(books: Books) -> None:
    (number,) = books.use("platform", None, "10").bill()
    books.rule(passes("platform", 2, {"search": 100})).use("platform", None, "5").allocate()
    assert teams(books) == {"platform": Decimal(10), "search": Decimal(5)}
    books.cancel(number)
    books.allocate()
    assert teams(books) == {"search": Decimal(15)}


def test_a_pending_bill_of_the_last_payer_freezes_every_stage_before_it(books: Books) -> None:
    three_stages(books)
    number = books.draft("etl").number
    books.move(number, InvoiceStatus.PENDING)
    for rule_id in ("data", "platform", "agent"):
        books.delete_rule(rule_id)
    assert books.allocate() == AllocationCounts(days=1)
    assert teams(books) == AFTER_THREE
    books.move(number, InvoiceStatus.DRAFT)
    books.allocate()
    assert teams(books) == {"platform": Decimal(100), "data": Decimal(20), "search": Decimal(6),
                            "etl": Decimal(2), None: Decimal(10)}  # fmt: skip


def test_a_bill_of_the_middle_freezes_what_comes_before_and_not_what_comes_after(
    books: Books,
) -> None:
    """search is billed its 40 of stage 2; the 60 that data passes on still follow data's rule."""
    books.rule(passes("platform", 2, {"data": 60, "search": 40})).rule(
        passes("data", 3, {"etl": 100})
    )
    books.use("platform", None, "100")
    books.send(books.draft("search").number)
    books.rule(passes("data", 3, {"etl": 50, "care": 50})).delete_rule("platform").allocate()
    assert teams(books) == {"search": Decimal(40), "etl": Decimal(30), "care": Decimal(30)}


def test_late_usage_is_passed_on_beside_what_is_frozen(books: Books) -> None:
    three_stages(books).bill()
    books.use("platform", None, "100").bill("2026-11", on="2026-12-01")
    late = {row.team_id: row.total for row in books.query(
        "SELECT team_id, total FROM invoices WHERE period_start = '2026-11-01'")}  # fmt: skip
    assert late == {"search": Decimal(85), "etl": Decimal(15)}


def test_a_cancelled_bill_stays_explained_through_every_stage_when_it_is_billed_anew(
    books: Books,
) -> None:
    three_stages(books)
    for number in books.bill():
        books.cancel(number)
    books.rule(passes("platform", 2, {"data": 40, "search": 60})).bill(on="2026-11-03")
    # 42 of 105 go to data: 67 by 6 to 2 are 50.25 and 16.75.
    assert teams(books) == {"search": Decimal("119.25"), "etl": Decimal("18.75")}
    kept = books.query("SELECT count(*) AS n FROM cost_pools WHERE retired_at IS NOT NULL")[0].n
    assert kept == 2
    for number in ("INV-20261103-0003", "INV-20261103-0004"):
        books.cancel(number, on="2026-11-04")
    books.delete_rule("platform").allocate()
    books.use("platform", None, "1").bill(on="2026-11-05")
    assert teams(books)["platform"] == 106


@pytest.mark.parametrize(
    ("rules", "chain"),
    [
        ([passes("a", 2, {"a": 20, "b": 80})], r"a → a \(rule 'a', stage 2\)"),
        (
            [passes("a", 2, {"b": 100}), passes("b", 3, {"a": 100})],
            r"a → b \(rule 'a', stage 2\) → a \(rule 'b', stage 3\)",
        ),
        (
            [
                passes("c", 2, {"a": 50, "d": 50}),
                passes("a", 4, {"b": 100}),
                passes("b", 3, {"c": 100}),
            ],
            r"a → b \(rule 'a', stage 4\) → c \(rule 'b', stage 3\) → a \(rule 'c', stage 2\)",
        ),
    ],
)
def test_a_circle_is_refused_when_its_last_rule_is_made_naming_the_chain(
    books: Books, rules: list[dict[str, Any]], chain: str
) -> None:
    for rule in rules[:-1]:
        books.rule(rule)
    with pytest.raises(
        Invalid, match=f"the cost that team 'a' passes on would come back to it: {chain}; take"
    ):
        books.rule(rules[-1])
    books.use("a", None, "1").allocate()


def test_rules_that_are_never_in_force_together_are_no_circle(books: Books) -> None:
    books.rule(passes("a", 2, {"b": 100}, valid_to="2026-10-16"))
    books.rule(passes("b", 3, {"a": 100}, valid_from="2026-10-16"))
    with pytest.raises(Invalid, match="would come back to it"):
        books.rule(passes("b", 3, {"a": 100}, valid_from="2026-10-15"))
    books.rule(passes("a", 2, {"b": 100}, valid_to="2026-10-16", enabled=False))
    books.rule(passes("b", 3, {"a": 100}, valid_from="2026-10-15"))


def test_a_chain_may_be_turned_round_within_one_file(books: Books) -> None:
    """Rule by rule it would be a circle for a moment."""
    head = "rules:\n  - {rule_id: one, rule_type: fixed_split, allocation_metadata: {entity_type: team}, "
    tail = "  - {rule_id: two, rule_type: fixed_split, allocation_metadata: {entity_type: team}, "
    books.import_yaml(f"{head}stage: 2, team_id: a, split_percentages: {{b: 100}}}}")
    books.import_yaml(
        f"{head.replace('one', 'two')}stage: 2, team_id: b, split_percentages: {{a: 100}}}}\n"
        f"{tail.replace('two', 'one')}stage: 2, team_id: a, split_percentages: {{c: 100}}}}"
    )
    books.use("b", None, "3").allocate()
    assert_sound()
    assert teams(books) == {"a": Decimal(3)}
