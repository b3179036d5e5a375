"""The second wall: with every condition taken out of the reading queries, a viewer's connection gets no foreign row."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, text

from chargeback.errors import NotFound
from chargeback.ledger import (
    access,
    bearers,
    explaining,
    invoice_lists,
    invoices,
    issuing,
    line_usage,
    shares,
    usage_reading,
)
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.invoice_lists import Asked
from chargeback.ledger.line_usage import BorneRecord, Trail
from chargeback.ledger.shares import After, Payers
from chargeback.ledger.usage_reading import Place, Whose
from chargeback.lineage import LineExplained
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


def test_a_line_is_explained_to_a_viewer_by_what_is_its_teams(two_teams: Ledger) -> None:
    """Red bears 60 of the 100 that tan used: it is told its own share, and neither the whole nor whose usage it was."""
    told: dict[str | None, list[Any]] = {}
    for team in ("red", "tan", "sky", None):
        with access.viewing(team) if team else snapshot() as connection:
            ids = invoice_lists.newest(connection, Asked(), NEWEST, 1000)
            lines = [(one, line) for one in ids for line in explaining.lines(connection, [one])]
            told[team] = sorted(
                (line.line.resource_type, rule.cost, rule.pool_cost, len(_behind(connection, one, line)))
                for one, line in lines
                for rule in line.rules
            )  # fmt: skip
    assert told == {
        "red": [("gpu", 60, None, 0), ("query", 10, None, 1)],
        "tan": [("gpu", 40, None, 1), ("query", 20, None, 1)],
        "sky": [],
        None: [
            ("gpu", 40, 100, 1),
            ("gpu", 60, 100, 1),
            ("query", 10, 10, 1),
            ("query", 20, 20, 1),
        ],
    }


def _behind(connection: Connection, invoice_id: int, line: LineExplained) -> list[BorneRecord]:
    return line_usage.records(connection, invoice_id, line.line.position, Trail(), 100)


def test_a_shared_record_is_borne_in_a_viewers_eyes_by_its_own_team(two_teams: Ledger) -> None:
    with snapshot() as connection:
        shared = bearers.find(connection, "u-3")
        every = bearers.bearers(connection, shared).bearers
    assert {one.team_id: one.cost for one in every} == {"red": Decimal(60), "tan": Decimal(40)}
    with access.viewing("tan") as connection:
        own = bearers.bearers(connection, bearers.find(connection, "u-3"))
        assert {one.team_id: one.cost for one in own.bearers} == {"tan": Decimal(40)}
    for team in ("red", "sky"):
        with access.viewing(team) as connection:
            for ask in (lambda c: bearers.find(c, "u-3"), lambda c: bearers.bearers(c, shared)):
                with pytest.raises(NotFound):
                    ask(connection)


def test_of_the_weights_of_a_shared_pool_a_viewer_is_told_its_own_and_the_whole(
    two_teams: Ledger,
) -> None:
    with access.viewing("red") as connection:
        rows = connection.execute(text("SELECT team_id, weight, whole FROM seen_weights")).all()
    assert ("red", 60, 100) in [tuple(row) for row in rows]
    assert {row.team_id for row in rows} == {"red"}
