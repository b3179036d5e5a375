"""The second wall: with every condition taken out of the reading queries, a viewer's connection gets no foreign row."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, text

from chargeback.errors import NotFound
from chargeback.ledger import access, invoice_lists, invoices, issuing, shares, usage_reading
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.invoice_lists import Asked
from chargeback.ledger.shares import After, Payers
from chargeback.ledger.usage_reading import Place, Whose
from chargeback.stretch import Stretch
from tests.conftest import Ledger
from tests.entrypoints.api.two_teams import OCTOBER, things
from tests.migrations.rows import violates

NEWEST = 2**63 - 1


def documents(connection: Connection) -> list[Any]:
    ids = invoice_lists.newest(connection, Asked(), NEWEST, 1000)
    return invoices.views(connection, ids)


READ: dict[str, Callable[[Connection], Any]] = {
    "usage": lambda c: {one.team_id for one in usage_reading.records(c, None, Whose(), Place(), 1000)},
    "usage, summed": lambda c: usage_reading.summary(c, Stretch.of(OCTOBER), Whose()).total.cost,
    "allocations": lambda c: {one.name.team_id for one in shares.shares(c, OCTOBER, Payers(), After(), 99, 99)},
    "allocations, summed": lambda c: sum(one.cost for one in shares.shares(c, OCTOBER, Payers(), After(), 99, 99)),
    "documents": lambda c: {one.team_id for one in documents(c)},
    "documents, summed": lambda c: sum(one.total for one in documents(c)),
    "lines": lambda c: len([line for one in documents(c) for line in one.lines]),
    "annexes": lambda c: sum(row.cost for one in documents(c) for row in one.annex),
    "all documents": lambda c: {one.team_id for one in invoices.rows(c)},
}  # fmt: skip
SEEN = {
    "red": {
        "usage": {"red"}, "usage, summed": 13, "allocations": {"red"}, "allocations, summed": 70,
        "documents": {"red"}, "documents, summed": 70, "lines": 2, "annexes": 70, "all documents": {"red"},
    },
    "tan": {
        "usage": {"tan"}, "usage, summed": 124, "allocations": {"tan"}, "allocations, summed": 60,
        "documents": {"tan"}, "documents, summed": 60, "lines": 2, "annexes": 60, "all documents": {"tan"},
    },
    "sky": {
        "usage": set(), "usage, summed": 0, "allocations": set(), "allocations, summed": 0,
        "documents": set(), "documents, summed": 0, "lines": 0, "annexes": 0, "all documents": set(),
    },
    None: {
        "usage": {"red", "tan"}, "usage, summed": 137, "allocations": {"red", "tan"}, "allocations, summed": 130,
        "documents": {"red", "tan"}, "documents, summed": 130, "lines": 4, "annexes": 130,
        "all documents": {"red", "tan"},
    },
}  # fmt: skip


@pytest.mark.parametrize("team", SEEN, ids=str)
def test_queries_that_ask_for_no_team_find_the_viewers_only(
    two_teams: Ledger, team: str | None
) -> None:
    with access.viewing(team) if team else snapshot() as connection:
        assert {name: read(connection) for name, read in READ.items()} == SEEN[team]


def test_another_teams_document_is_not_found_by_its_number_or_id(two_teams: Ledger) -> None:
    tan = things()["tan"]
    with transaction() as connection:
        number = connection.execute(
            text("SELECT number FROM invoices WHERE public_id = CAST(:id AS uuid)"),
            {"id": tan.invoice},
        ).scalar_one()
    with access.viewing("red") as connection:
        for given in (tan.invoice, number):
            with pytest.raises(NotFound):
                issuing.find(connection, given)


def test_usage_follows_the_team_it_was_booked_to_and_before_that_its_owner(
    two_teams: Ledger,
) -> None:
    """Red's agent is tan's from now on: what red was billed for stays red's, what is in no pool yet is tan's."""
    with transaction() as connection:
        connection.execute(text("UPDATE ownerships SET team_id = 'tan' WHERE key = 'red-bot'"))
    seen = {}
    for team in ("red", "tan"):
        with access.viewing(team) as connection:
            seen[team] = usage_reading.summary(connection, Stretch.of(OCTOBER), Whose()).total.cost
    assert seen == {"red": 10, "tan": 127}


def test_a_viewer_writes_nothing_and_cannot_become_anybody_else(two_teams: Ledger) -> None:
    with access.viewing("red") as connection:
        for statement in (
            "INSERT INTO teams (team_id, name) VALUES ('x', 'x')",
            "UPDATE invoices SET status = 'paid'",
            "DELETE FROM invoice_lines",
            "TRUNCATE invoices",
            "CREATE TABLE x ()",
        ):
            with violates(connection, "permission denied|read-only transaction|must be owner"):
                connection.execute(text(statement))
        assert connection.execute(text("SELECT current_user")).scalar_one() == "chargeback_viewer"
