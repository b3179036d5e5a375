"""Which rule takes a cell and whose it is: each kind of precedence by hand, then all of it against the pure rules."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from chargeback import rules
from chargeback.ledger import payers, rulebook, usage, usage_sources
from chargeback.ledger.allocation import allocate_days
from chargeback.ledger.chunks import chunks
from chargeback.ledger.classification import classify
from chargeback.payers_file import PayersFile
from chargeback.sources.contract import Usage
from tests.ledger.books import ACTOR, SOURCE, Books, undone


def rule(rule_id: str, **more: Any) -> dict[str, Any]:
    """A rule that charges ana alone for what it takes, so that its takings show."""
    receiver = {"rule_type": "equal_split", "user_ids": [f"payer-of-{rule_id}"]}
    return {"rule_id": rule_id, **receiver, **more}


def takers(books: Books) -> set[str | None]:
    books.allocate()
    return {rule_id for (rule_id,) in books.query(
        """SELECT DISTINCT rule_id FROM pool_cells JOIN cost_pools USING (pool_id)
           JOIN allocation_rules USING (rule_key)""")}  # fmt: skip


def test_the_smaller_priority_takes_the_cost(books: Books) -> None:
    books.rule(rule("a", priority=20)).rule(rule("b", priority=10)).use("search", "ana")
    assert takers(books) == {"b"}


def test_of_equal_priority_more_kinds_of_criteria_take_the_cost(books: Books) -> None:
    books.rule(rule("a", match={"resource_types": ["tokens", "image"]}))
    books.rule(rule("b", team_id="search", match={"resource_types": ["tokens"]})).use(
        "search", "ana"
    )
    assert takers(books) == {"b"}


def test_a_long_list_is_one_kind_of_criteria(books: Books) -> None:
    books.rule(rule("a", match={"agent_ids": ["crawler"]}))
    books.rule(rule("b", match={"resource_types": ["tokens", "image", "audio"]}))
    assert takers(books.use("search", "ana", agent="crawler")) == {"a"}


def test_of_equal_rules_the_smaller_rule_id_takes_the_cost(books: Books) -> None:
    books.rule(rule("b")).rule(rule("a")).rule(rule("B")).use("search", "ana")
    # Capitals come first: the order of the signs, in no language.
    assert takers(books) == {"B"}


def test_the_default_priority_is_100(books: Books) -> None:
    books.rule(rule("a", priority=101)).rule(rule("z")).use("search", "ana")
    assert takers(books) == {"z"}


def test_a_disabled_version_silences_the_rule(books: Books) -> None:
    books.rule(rule("a")).rule(rule("a", enabled=False)).use("search", "ana")
    assert takers(books) == {"by_usage"}


def test_a_version_valid_later_leaves_the_days_before_to_the_older_one(books: Books) -> None:
    books.rule(rule("a")).rule(rule("a", valid_from="2026-10-16", enabled=False))
    books.use("search", "ana", "1.00", "2026-10-15").use(
        "search", "ana", "2.00", "2026-10-16"
    ).allocate()
    assert books.total_by_payer() == {
        (None, "payer-of-a"): Decimal(1),
        ("search", "ana"): Decimal(2),
    }


def test_a_rule_ends_before_the_day_it_is_valid_to(books: Books) -> None:
    books.rule(rule("a", valid_to="2026-10-16"))
    books.use("search", "ana", "1.00", "2026-10-15").use(
        "search", "ana", "2.00", "2026-10-16"
    ).allocate()
    assert books.total_by_payer() == {
        (None, "payer-of-a"): Decimal(1),
        ("search", "ana"): Decimal(2),
    }


def test_a_rule_without_team_or_users_takes_what_has_no_owner(books: Books) -> None:
    books.rule(rule("a", match={"agent_ids": ["crawler"]})).use(agent="crawler")
    assert takers(books) == {"a"}


def test_what_has_no_owner_and_no_rule_is_unattributed(books: Books) -> None:
    assert takers(books.use(agent="crawler")) == {"unattributed"}


def test_a_user_without_team_is_somebody(books: Books) -> None:
    books.use(None, "solo", "1.00").allocate()
    assert books.total_by_payer() == {(None, "solo"): Decimal(1)}


OWNED = """
teams: [{id: home-team, members: [{user: ana, home: true}, {user: bob}]}]
owners:
  account: {acc: [{team: account-team}]}
  tag: {"k=v": [{team: tag-team}]}
  agent: {crawler: [{team: agent-team}]}
"""


@pytest.mark.parametrize(
    ("usage_of", "team"),
    [
        ({"team": "own", "account": "acc", "tag": "k=v", "agent": "crawler", "user": "ana"}, "own"),
        ({"account": "acc", "tag": "k=v", "agent": "crawler", "user": "ana"}, "account-team"),
        ({"account": "other", "tag": "k=v", "agent": "crawler", "user": "ana"}, "tag-team"),
        ({"agent": "crawler", "user": "ana"}, "agent-team"),
        ({"user": "ana"}, "home-team"),
        ({"user": "bob"}, None),
    ],
)
def test_the_team_is_the_records_then_the_accounts_the_tags_the_agents_and_the_users_home(
    books: Books, usage_of: dict[str, str], team: str | None
) -> None:
    books.import_yaml(OWNED)
    books.use(**usage_of).allocate()
    assert books.total_by_payer() == {(team, usage_of["user"]): Decimal(1)}


def test_rules_see_the_attributed_team(books: Books) -> None:
    books.import_yaml(OWNED)
    books.rule(rule("a", team_id="agent-team")).use(agent="crawler")
    assert takers(books) == {"a"}


FIRST = date(2026, 10, 5)
DAYS = [FIRST + timedelta(days=n) for n in range(3)]
TEAMS, USERS, AGENTS, ACCOUNTS, TYPES = (
    ("t1", "t2"),
    ("u1", "u2"),
    ("a1", "a2"),
    ("c1",),
    ("r1", "r2"),
)


def some(values: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=2)


@dataclass(frozen=True)
class Cell:
    """What a rule may look at."""

    team_id: str | None
    user_id: str | None
    agent_id: str | None
    account_id: str | None
    resource_type: str
    day: date


CELLS = st.builds(
    Cell,
    *(st.sampled_from((None, *values)) for values in (TEAMS, USERS, AGENTS, ACCOUNTS)),
    st.sampled_from(TYPES),
    st.sampled_from(DAYS),
)
WRITTEN = st.fixed_dictionaries(
    {
        "rule_id": st.sampled_from(("p", "q", "R")),
        "rule_type": st.sampled_from(("by_usage", "by_team", "by_user", "equal_split")),
        "priority": st.sampled_from((1, 1, 2)),
        "enabled": st.sampled_from((True, True, False)),
        "team_id": st.sampled_from((None, *TEAMS)),
        "users": some(USERS),
        "match": st.fixed_dictionaries(
            {
                "agent_ids": some(AGENTS),
                "account_ids": some(ACCOUNTS),
                "resource_types": some(TYPES),
            }
        ),
        "valid_from": st.sampled_from((None, None, *DAYS[1:])),
        "is_deleted": st.sampled_from((False, False, False, True)),
    }
)


def as_spec(written: dict[str, Any]) -> dict[str, Any]:
    """A rule that its type can be: a team for by_team, users for by_user, a receiver for a split."""
    spec = {name: value for name, value in written.items() if name not in ("users", "is_deleted")}
    spec["match"] = {name: values for name, values in written["match"].items() if values}
    if spec["rule_type"] == "by_team":
        spec["team_id"] = spec["team_id"] or "t1"
    if spec["rule_type"] == "by_user":
        spec["user_ids"] = written["users"] or ["u1"]
    elif written["users"]:
        spec["match"]["user_ids"] = written["users"]
    if spec["rule_type"] == "equal_split":
        spec["user_ids"] = ["somebody"]
    return spec


def load(connection: Connection, cells: list[Cell]) -> None:
    rows = [
        Usage(n, f"call-{n}", datetime(c.day.year, c.day.month, c.day.day, 12, tzinfo=UTC), c.team_id, c.user_id,
              c.agent_id, c.account_id, None, c.resource_type, None, "u", Decimal(1), Decimal(n))
        for n, c in enumerate(cells, 1)
    ]  # fmt: skip
    source_id = usage_sources.find(connection, SOURCE).source_id
    for chunk in chunks(rows, SOURCE, ZoneInfo("UTC"), 1000):
        usage.load(connection, source_id, "a test", [chunk], None)


def expected_taker(kept: list[rulebook.KeptRule], cell: Cell) -> str:
    """The rule that `chargeback.rules` says takes the cell; a1 is owned by t1, u2 is at home in t2."""
    by_home = "t2" if cell.user_id == "u2" else None
    team = cell.team_id or ("t1" if cell.agent_id == "a1" else by_home)
    looked_at = (team, cell.user_id, cell.agent_id, cell.account_id, cell.resource_type)
    for one in rules.in_force([k.rule for k in kept], cell.day):
        if rules.takes(one, *looked_at):
            return f"{one.rule_id} {one.version}"
    return "by_usage 1" if team or cell.user_id else "unattributed 1"


OWNERS = PayersFile.model_validate(
    {
        "teams": [{"id": "t2", "members": [{"user": "u2", "home": True}]}],
        "owners": {"agent": {"a1": [{"team": "t1"}]}},
    }
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    written=st.lists(WRITTEN, max_size=7),
    cells=st.lists(CELLS, min_size=1, max_size=12, unique=True),
)
def test_the_sql_takes_each_cell_by_the_rule_that_the_pure_rules_say(
    october: Books, written: list[dict[str, Any]], cells: list[Cell]
) -> None:
    with undone() as connection:
        load(connection, cells)
        payers.import_file(connection, OWNERS, ACTOR)
        for one in written:
            made, _ = rulebook.put(connection, rules.parse(as_spec(one)), ACTOR)
            if one["is_deleted"] and not made.rule.is_closing:
                rulebook.close(connection, made.rule.rule_id, ACTOR)
        kept = rulebook.kept_rules(connection)
        classify(connection, DAYS, kept)
        found = {
            row.cost: row.taker
            for row in connection.execute(
                text("""SELECT c.cost, r.rule_id || ' ' || r.version AS taker
                        FROM classified c JOIN allocation_rules r USING (rule_key)""")
            )
        }
        assert found == {Decimal(n): expected_taker(kept, cell) for n, cell in enumerate(cells, 1)}
        allocate_days(connection, DAYS)
