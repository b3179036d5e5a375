"""Cost that nobody owns: what it bears, and the owners that would clear it."""

from decimal import Decimal
from typing import Any

import pytest

from chargeback.ledger.database import snapshot
from chargeback.ledger.unattributed import unattributed
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.views import UnattributedView
from models.enums import SourceRole
from tests.conftest import Ledger
from tests.ledger.books import Books


def found(period: str = "2026-10") -> UnattributedView:
    with snapshot() as connection:
        return unattributed(connection, Period.parse(period))


@pytest.fixture
def lost(books: Books) -> Books:
    """Of 50, search has 10, bob alone 5, nobody 35: agent a 20 + 9 in account p, account q 4, no name 2."""
    books.use("search", "ana", "10").use(None, "bob", "5")
    books.use(None, None, "20", agent="a").use(
        None, None, "9", "2026-10-09", agent="a", account="p"
    )
    return books.use(None, None, "4", account="q").use(None, None, "2")


@pytest.mark.parametrize("is_allocated", [True, False])
def test_what_nobody_owns_is_the_same_before_and_after_it_is_allocated(
    lost: Books, is_allocated: bool
) -> None:
    lost.allocate() if is_allocated else lost.load()
    view = found()
    amounts: list[Any] = [view.cost, view.whole, view.keyless, view.teamless]
    assert amounts == [35, 50, 2, 5]
    assert view.record_count == 4
    groups: list[Any] = [(g.agent_id, g.account_id, g.cost) for g in view.groups]
    assert groups == [
        ("a", None, 20),
        ("a", "p", 9),
        (None, "q", 4),
        (None, None, 2),
    ]


def test_naming_the_owners_clears_what_the_list_says(lost: Books) -> None:
    """Agent a clears 29 of the 33 that owners can clear; q is needed for nine tenths."""
    lost.allocate()
    view = found()
    owners: list[Any] = [(o.kind.value, o.key, o.cost) for o in view.owners]
    assert owners == [("agent", "a", 29), ("account", "q", 4)]
    lost.import_yaml("owners: {agent: {a: [{team: etl}]}, account: {q: [{team: search}]}}")
    lost.allocate()
    assert found().cost == 35 - view.cleared == 2
    assert lost.total_by_payer()[("etl", None)] == 29


def test_what_a_rule_takes_is_somebodys(books: Books) -> None:
    books.rule({"rule_id": "r", "name": "R", "rule_type": "fixed_split", "match": {"agent_ids": ["a"]},
                "split_percentages": {"etl": 100}, "allocation_metadata": {"entity_type": "team"}})  # fmt: skip
    books.use(None, None, "3", agent="a").allocate()
    assert found().cost == 0


def test_what_a_team_pays_for_has_no_owner_all_the_same(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARGEBACK_UNATTRIBUTED_TEAM", "platform")
    settings.cache_clear()
    books.use(None, None, "3", agent="a").allocate()
    view = found()
    assert view.cost == 3
    assert view.billed_team == "platform"


def test_a_source_that_is_only_compared_is_left_out(ledger: Ledger) -> None:
    Books(ledger, "bill", SourceRole.RECONCILE_ONLY).use(None, None, "3", agent="a").load()
    assert found().cost == found().whole == 0


def test_other_months_are_left_out(lost: Books) -> None:
    lost.use(None, None, "8", "2026-11-01", agent="a").allocate("2026-11")
    assert found("2026-11").cost == 8
    assert found().cost == 35


def test_a_user_without_team_is_its_owners_before_its_home_teams(books: Books) -> None:
    """bot is owned by etl until the 16th, and at home in search."""
    books.import_yaml("""
        teams: [{id: search, members: [{user: bot, home: true}]}]
        owners: {user: {bot: [{team: etl, to: 2026-10-16}]}}
    """)
    books.use(None, "bot", "3", "2026-10-15").use(None, "bot", "4", "2026-10-16")
    books.use(None, "bot", "5", "2026-10-15", agent="a").allocate()
    assert books.total_by_payer() == {("etl", "bot"): 8, ("search", "bot"): 4}
    books.import_yaml("owners: {agent: {a: [{team: data}]}}")
    books.allocate()
    assert books.total_by_payer()[("data", "bot")] == Decimal(5)
