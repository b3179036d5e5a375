"""What is passed on, broken on purpose: verify tells of it."""

from typing import Any

import pytest

from chargeback.ledger.database import snapshot
from chargeback.ledger.verify import verify
from tests.conftest import Ledger
from tests.ledger.books import Books
from tests.ledger.soundness import assert_sound

TEAMS: dict[str, Any] = {"allocation_metadata": {"entity_type": "team"}}


def passes(team: str, stage: int, to: str) -> dict[str, Any]:
    return {"rule_id": team, "rule_type": "fixed_split", "stage": stage, "team_id": team,
            "split_percentages": {to: 100}, **TEAMS}  # fmt: skip


@pytest.fixture
def books(ledger: Ledger) -> Books:
    """platform's 10 is passed on to data, data's 10 and own 3 to search; an earlier bill of 7 is retired."""
    told = Books(ledger).rule(passes("platform", 2, "data")).rule(passes("data", 3, "search"))
    told.use("platform", None, "7", "2026-10-07")
    (number,) = told.bill()
    told.cancel(number)
    told.use("platform", None, "10").use("data", None, "3").use("platform", None, "1", "2026-10-07")
    told.allocate()
    assert_sound()
    return told


_PLATFORMS = """(SELECT allocation_id FROM allocations JOIN pool_allocations USING (allocation_id)
                WHERE cost = 10 AND team_id = 'platform')"""
_LAST = "(SELECT max(allocation_id) FROM allocations WHERE team_id = 'search')"
_FIRST_LATER = "(SELECT min(pool_id) FROM pool_allocations)"

DAMAGES: list[tuple[str, tuple[str, ...], set[int], str]] = [
    ("a passed-on allocation is free again",
     (f"DELETE FROM pool_allocations WHERE allocation_id = {_PLATFORMS}",), {3, 5, 14}, "what it took is 0 for 0"),
    ("a passed-on allocation is worth less",
     (f"UPDATE allocations SET cost = 9 WHERE allocation_id = {_PLATFORMS}",), {3}, "what it took is 9"),
    ("a pool that passes on is gone",
     (f"UPDATE pool_allocations SET pool_id = 99 WHERE allocation_id = {_PLATFORMS}",), {3},
     "is passed on by pool 99, which does not exist"),
    ("an allocation that was passed on is gone",
     (f"UPDATE pool_allocations SET allocation_id = 999 WHERE allocation_id = {_PLATFORMS}",), {3, 5, 14},
     "allocation 999 (0) is passed on by pool"),
    ("a stage takes of a later one",
     ("UPDATE allocation_rules SET stage = 4 WHERE rule_id = 'platform'",), {3}, "whose rule is of no later stage"),
    ("a rule passes on what was another team's",
     ("UPDATE allocation_rules SET team_id = 'etl' WHERE rule_id = 'platform'",), {3},
     "whose rule is another team's"),
    ("a retired pool is kept as if it were living",
     (f"UPDATE retired_pool_allocations SET pool_id = {_FIRST_LATER}",), {3}, "is kept as if that was retired"),
    ("a pool of cells takes an allocation",
     (f"INSERT INTO pool_allocations VALUES ({_LAST}, (SELECT min(pool_id) FROM pool_cells))",), {3, 5, 14},
     "is of stage 1 and holds allocations"),
    ("an allocation is passed on twice",
     ("ALTER TABLE pool_allocations DROP CONSTRAINT pool_allocations_pkey",
      f"INSERT INTO pool_allocations SELECT * FROM pool_allocations WHERE allocation_id = {_PLATFORMS}"), {3, 4},
     "is passed on by 2 pools"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("statements", "numbers", "told"),
    [pytest.param(*damage[1:], id=damage[0]) for damage in DAMAGES],
)
def test_what_breaks_it_is_told(
    books: Books, statements: tuple[str, ...], numbers: set[int], told: str
) -> None:
    books.damage(*statements)
    with snapshot() as connection:
        found = verify(connection)
    assert {one.invariant for one in found} == numbers, found
    assert any(told in one.sentence for one in found), found


def test_a_claim_on_what_was_passed_on_is_told(books: Books) -> None:
    number = books.draft("search").number
    books.damage(
        f"""UPDATE line_allocations SET allocation_id = {_PLATFORMS}
            WHERE allocation_id = (SELECT allocation_id FROM line_allocations JOIN invoice_lines USING (line_id)
                                   JOIN invoices USING (invoice_id) WHERE number = '{number}' LIMIT 1)"""
    )
    with snapshot() as connection:
        found = verify(connection)
    assert any("which was passed on" in one.sentence for one in found), found
