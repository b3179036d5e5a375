"""Previews: what a change would move is what it then moves, and looking changes nothing."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection

from chargeback import rules
from chargeback.errors import Refused, Unavailable
from chargeback.ledger import payers, previews, rulebook
from chargeback.ledger.database import rehearsal, snapshot, transaction
from chargeback.ledger.digest import digest
from chargeback.ledger.previews import Moved, Preview, Taken, preview
from chargeback.payers_file import read
from tests.ledger.books import ACTOR, Books

OCTOBER = (date(2026, 10, 1), date(2026, 11, 1))
Change = Callable[[Connection], object]
TEAMS: dict[str, Any] = {"allocation_metadata": {"entity_type": "team"}}


def making(**spec: Any) -> Change:
    return lambda connection: rulebook.put(connection, rules.parse(spec), ACTOR)


def importing(content: str) -> Change:
    return lambda connection: payers.import_file(connection, read(content, "a test"), ACTOR)


def moved(found: Preview) -> dict[tuple[str | None, str | None], tuple[Decimal, Decimal]]:
    return {(one.team_id, one.user_id): (one.before, one.after) for one in found.payers}


def the_books() -> tuple[str, int, int]:
    """The digest, and two counts that a change would move: rules and audit entries."""
    with transaction() as connection:
        counts = [connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
                  for table in ("allocation_rules", "audit_log")]  # fmt: skip
    with snapshot() as connection:
        return digest(connection), counts[0], counts[1]


HALVES = making(rule_id="half", rule_type="equal_split", entity_ids=["search", "etl"], **TEAMS,
                match={"agent_ids": ["bot"]})  # fmt: skip


def test_a_new_rule_says_what_it_takes_and_from_whom_to_whom_it_moves(books: Books) -> None:
    """bot's 4 and 6 are search's; halved, 5 of them move to etl, whose own 1 on a third day stays out of it."""
    books.use("search", None, "4", agent="bot").use("search", None, "6", "2026-10-06", agent="bot")
    books.use("etl", None, "1", "2026-10-07").use("etl", None, "0.5").allocate()
    before = the_books()
    found = preview(HALVES)
    assert (found.days, found.cost, found.is_at_most) == (2, Decimal(5), False)
    assert found.taken == (Taken("half", Decimal(10), 2),)
    assert found.payers == (
        Moved("etl", None, True, Decimal("0.5"), Decimal("5.5")),
        Moved("search", None, True, Decimal(10), Decimal(5)),
    )
    assert the_books() == before


def test_what_a_preview_says_is_what_then_happens(books: Books) -> None:
    books.rule({"rule_id": "p", "rule_type": "proportional", "team_id": "platform",
                "entity_ids": ["search", "etl"], **TEAMS})  # fmt: skip
    books.use("search", "ana", "6").use("etl", "fay", "2").use("platform", None, "8").allocate()
    change = making(rule_id="fay", rule_type="by_user", user_ids=["fay"])
    found = preview(change)
    before = books.total_by_payer()
    with transaction() as connection:
        change(connection)
    books.allocate()
    after = books.total_by_payer()
    payers = {payer for payer in before | after if before.get(payer) != after.get(payer)}
    assert moved(found) == {
        p: (before.get(p, Decimal(0)), after.get(p, Decimal(0))) for p in payers
    }
    assert found.cost == 4


def test_an_edit_moves_what_it_takes_away_and_a_switched_off_rule_gives_it_back(
    books: Books,
) -> None:
    books.use("search", None, "4", agent="bot")
    with transaction() as connection:
        HALVES(connection)
    books.allocate()
    off = making(rule_id="half", rule_type="equal_split", entity_ids=["search", "etl"], **TEAMS,
                 match={"agent_ids": ["bot"]}, enabled=False)  # fmt: skip
    assert moved(preview(off)) == {
        ("etl", None): (Decimal(2), Decimal(0)), ("search", None): (Decimal(2), Decimal(4))
    }  # fmt: skip


def test_an_owner_found_late_moves_what_was_nobodys_from_its_first_day(books: Books) -> None:
    books.use(cost="3", day="2026-10-04", agent="bot").use(
        cost="2", day="2026-10-05", agent="bot"
    ).allocate()
    found = preview(importing("owners: {agent: {bot: [{team: search, from: 2026-10-05}]}}"))
    assert [found.days, found.cost] == [1, 2]
    assert moved(found) == {
        (None, None): (Decimal(2), Decimal(0)), ("search", None): (Decimal(0), Decimal(2))
    }  # fmt: skip


def test_a_member_who_joins_bears_a_part(books: Books) -> None:
    books.import_yaml("teams: [{id: search, members: [{user: ana}]}]")
    books.rule({"rule_id": "m", "rule_type": "by_team", "team_id": "search"})
    books.use("search", "ana", "4").allocate()
    found = preview(importing("teams: [{id: search, members: [{user: ana}, {user: bob}]}]"))
    assert moved(found) == {
        ("search", "ana"): (Decimal(4), Decimal(2)), ("search", "bob"): (Decimal(0), Decimal(2))
    }  # fmt: skip


def test_what_is_billed_does_not_move(books: Books) -> None:
    books.use("search", None, "4", agent="bot").bill()
    books.use("search", None, "6", "2026-10-06", agent="bot").allocate()
    found = preview(HALVES)
    assert [found.days, found.cost, found.taken] == [1, 3, (Taken("half", Decimal(6), 1),)]


def test_days_that_wait_to_be_allocated_are_not_counted_as_moved_by_the_change(
    books: Books,
) -> None:
    books.use("search", None, "4", agent="bot").use("etl", None, "9").load()
    found = preview(HALVES)
    assert [found.days, found.cost] == [1, 2]
    assert moved(found) == {
        ("etl", None): (Decimal(9), Decimal(11)), ("search", None): (Decimal(4), Decimal(2))
    }  # fmt: skip
    assert books.query("SELECT count(*) AS n FROM cost_pools")[0].n == 0
    books.allocate()


def test_a_change_that_changes_nothing_moves_nothing(books: Books) -> None:
    books.use("search", None, "4", agent="bot").load()
    with transaction() as connection:
        HALVES(connection)
    assert preview(HALVES) == Preview(0, Decimal(0))
    books.allocate()


def test_where_too_much_is_touched_the_most_that_can_move_is_said(books: Books) -> None:
    """Two days of two cells: 4 + 1 on the 5th, of which 1 was billed, and 6 on the 6th, still in no pool."""
    books.use("search", None, "4", agent="bot").use("etl", None, "1").allocate()
    books.send(books.draft("etl").number)
    books.use("search", None, "5", "2026-10-06", agent="bot").use(
        "etl", None, "1", "2026-10-06"
    ).load()
    found = preview(HALVES, most_cells=3)
    assert found == Preview(2, Decimal(10), is_at_most=True)
    assert preview(HALVES, most_cells=4).is_at_most is False
    books.allocate()


def test_a_stage_moves_what_a_frozen_pool_gave_and_nobody_was_billed_for(books: Books) -> None:
    """The halves of bot's 4 are search's and etl's; search's is billed, etl's may still be passed on."""
    with transaction() as connection:
        HALVES(connection)
    books.use("search", None, "4", agent="bot").allocate()
    books.send(books.draft("search").number)
    found = preview(making(rule_id="on", rule_type="fixed_split", stage=2, team_id="etl",
                           split_percentages={"care": 100}, **TEAMS))  # fmt: skip
    assert moved(found) == {
        ("care", None): (Decimal(0), Decimal(2)), ("etl", None): (Decimal(2), Decimal(0))
    }  # fmt: skip


def test_an_allocation_is_previewed_from_no_pool_to_its_payers(books: Books) -> None:
    books.use("search", "ana", "4").load()
    found = previews.allocation_preview(*OCTOBER)
    assert found.payers == (
        Moved(None, None, False, Decimal(4), Decimal(0)),
        Moved("search", "ana", True, Decimal(0), Decimal(4)),
    )
    assert books.allocate().pools == 1


def test_a_rehearsal_sees_what_it_did_and_leaves_nothing(books: Books) -> None:
    before = the_books()
    with rehearsal():
        books.rule({"rule_id": "r", "rule_type": "by_usage"}).use("search", "ana", "4")
        (number,) = books.bill()
        books.cancel(number)
        assert books.total_by_payer() == {("search", "ana"): Decimal(4)}
    books.waiting.clear()
    assert the_books() == before
    assert books.query("SELECT count(*) AS n FROM invoices")[0].n == 0


def test_a_rehearsal_whose_part_is_refused_goes_on_from_before_it(books: Books) -> None:
    with rehearsal():
        number = books.use("search", "ana", "4").draft("search").number
        with pytest.raises(Refused):
            books.pay(number)
        assert books.send(number)[0].has_changed
    books.waiting.clear()
    assert books.query("SELECT count(*) AS n FROM invoices")[0].n == 0


def test_a_rehearsal_gives_up_soon_where_others_hold_what_it_needs(books: Books) -> None:
    books.use("search", "ana", "4").load()
    with transaction() as other:
        other.exec_driver_sql("SELECT FROM allocation_days FOR UPDATE")
        with pytest.raises(Unavailable):
            previews.allocation_preview(*OCTOBER)
    books.allocate()
