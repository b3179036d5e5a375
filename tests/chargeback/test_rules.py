"""Rules: which one takes a cost, and who then pays in which share."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargeback import money
from chargeback.errors import Invalid
from chargeback.rules import Receiver, Rule, by_team_receivers, in_force, receivers, takes
from models.enums import RuleType

DAY = date(2026, 10, 15)


def make_rule(rule_id: str = "r", rule_type: str = "by_usage", **fields: Any) -> Rule:
    """A rule that is always valid, enabled and of version 1 unless `fields` say otherwise."""
    return Rule(rule_id=rule_id, name=rule_id, rule_type=RuleType(rule_type), **fields)


def _ids(rules: list[Rule]) -> list[tuple[str, int]]:
    return [(rule.rule_id, rule.version) for rule in rules]


# Which rule takes a cost.


def test_the_smaller_priority_is_asked_first() -> None:
    rules = [make_rule("a"), make_rule("b", priority=5), make_rule("c", priority=200)]
    assert _ids(in_force(rules, DAY)) == [("b", 1), ("a", 1), ("c", 1)]


def test_of_one_priority_more_kinds_of_criteria_are_asked_first_then_the_id() -> None:
    rules = [
        make_rule("a"),
        make_rule("d", team_id="t"),
        make_rule("c", team_id="t"),
        # Three agents are one kind.
        make_rule("b", agent_ids=("1", "2", "3")),
        make_rule("z", team_id="t", resource_types=("query",)),
    ]
    assert [rule.rule_id for rule in in_force(rules, DAY)] == ["z", "b", "c", "d", "a"]


def test_receivers_are_no_criteria() -> None:
    split = make_rule("a", "equal_split", user_ids=("ann", "bob"))
    assert split.criteria.kinds == 0
    assert make_rule("a", "by_user", user_ids=("ann", "bob")).criteria.kinds == 1


def test_the_highest_version_valid_that_day_speaks() -> None:
    rules = [make_rule(version=2), make_rule(version=10), make_rule(version=1)]
    assert _ids(in_force(rules, DAY)) == [("r", 10)]


def test_an_edit_valid_from_the_16th_leaves_the_15th_to_its_predecessor() -> None:
    rules = [make_rule(version=1), make_rule(version=2, valid_from=date(2026, 10, 16))]
    assert _ids(in_force(rules, DAY)) == [("r", 1)]
    assert _ids(in_force(rules, date(2026, 10, 16))) == [("r", 2)]


def test_validity_ends_before_its_last_date() -> None:
    rules = [make_rule(valid_from=DAY, valid_to=date(2026, 10, 16))]
    assert [len(in_force(rules, date(2026, 10, day))) for day in (14, 15, 16)] == [0, 1, 0]


@pytest.mark.parametrize("silent", [{"enabled": False}, {"is_closing": True}])
def test_a_disabled_or_closing_version_silences_the_older_ones(silent: dict[str, Any]) -> None:
    rules = [make_rule(version=1), make_rule(version=2, **silent)]
    assert in_force(rules, DAY) == []
    assert _ids(in_force([*rules, make_rule(version=3)], DAY)) == [("r", 3)]


@given(
    st.lists(
        st.builds(
            lambda rule_id, version, priority, enabled, team: make_rule(
                rule_id, version=version, priority=priority, enabled=enabled, team_id=team
            ),
            st.sampled_from("abc"),
            st.integers(1, 4),
            st.sampled_from([5, 100]),
            st.booleans(),
            st.sampled_from([None, "t"]),
        ),
        unique_by=lambda rule: (rule.rule_id, rule.version),
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_rules_never_matters(rules: list[Rule], random: Any) -> None:
    before = in_force(rules, DAY)
    random.shuffle(rules)
    assert in_force(rules, DAY) == before
    assert len({rule.rule_id for rule in before}) == len(before)


CELL: dict[str, Any] = {
    "team_id": "t",
    "user_id": "u",
    "agent_id": "a",
    "account_id": "001",
    "resource_type": "query",
}
NOBODYS = {**CELL, "team_id": None, "user_id": None}


@pytest.mark.parametrize(
    ("fields", "does"),
    [
        ({}, True),
        ({"team_id": "t"}, True),
        ({"team_id": "T"}, False),
        ({"user_ids": ("v", "u")}, True),
        ({"user_ids": ("v",)}, False),
        ({"match_user_ids": ("u",)}, True),
        ({"match_user_ids": ("v",)}, False),
        ({"agent_ids": ("a", "b")}, True),
        ({"agent_ids": ("b",)}, False),
        ({"account_ids": ("001",)}, True),
        ({"account_ids": ("1",)}, False),
        ({"resource_types": ("query",)}, True),
        ({"resource_types": ("storage",)}, False),
        ({"team_id": "t", "agent_ids": ("a",), "resource_types": ("query",)}, True),
        ({"team_id": "t", "agent_ids": ("a",), "resource_types": ("storage",)}, False),
    ],
)
def test_each_kind_of_criteria_must_match_by_any_of_its_values(
    fields: dict[str, Any], does: bool
) -> None:
    assert takes(make_rule(**fields), **CELL) is does


@pytest.mark.parametrize(
    ("fields", "does"),
    [
        ({}, True),
        ({"agent_ids": ("a",)}, True),
        ({"resource_types": ("query",)}, True),
        ({"team_id": "t"}, False),
        ({"user_ids": ("u",)}, False),
    ],
)
def test_what_has_no_owner_is_taken_by_rules_that_ask_for_none(
    fields: dict[str, Any], does: bool
) -> None:
    assert takes(make_rule(**fields), **NOBODYS) is does


@pytest.mark.parametrize("kind", ["agent", "account"])
def test_a_kind_that_the_cell_lacks_does_not_match(kind: str) -> None:
    criterion: dict[str, Any] = {f"{kind}_ids": ("a", "001")}
    rule = make_rule(**criterion)
    assert takes(rule, **CELL)
    assert not takes(rule, **{**CELL, f"{kind}_id": None})


def test_an_equal_split_among_users_takes_the_cost_of_anyone() -> None:
    split = make_rule("r", "equal_split", user_ids=("ann", "bob"))
    assert takes(split, **CELL)
    assert not takes(replace(split, match_user_ids=("ann",)), **CELL)


# Who pays.


def test_the_guide_gave_equal_splits_of_users_no_rows_and_we_charge_each_user() -> None:
    rule = make_rule("r", "equal_split", user_ids=("bob", "ann"))
    assert receivers(rule, set(), set()) == (Receiver(None, "bob", 1), Receiver(None, "ann", 1))


def test_entities_are_what_they_are_registered_as() -> None:
    rule = make_rule("r", "equal_split", entity_ids=("user-x", "ann"))
    # A prefix says nothing: user-x is a team here.
    assert receivers(rule, {"user-x"}, {"ann"}) == (
        Receiver("user-x", None, 1),
        Receiver(None, "ann", 1),
    )


def test_the_rule_says_what_its_entities_are_before_the_register_does() -> None:
    rule = make_rule("r", "equal_split", entity_ids=("x",), entity_type="team")
    assert receivers(rule, set(), {"x"}) == (Receiver("x", None, 1),)


@pytest.mark.parametrize(
    ("registered", "known"),
    [({"x"}, "both a team and a user"), (set(), "neither a team nor a user")],
)
def test_an_entity_is_never_guessed(registered: set[str], known: str) -> None:
    rule = make_rule("r", "equal_split", entity_ids=("x",))
    with pytest.raises(Invalid) as refused:
        receivers(rule, registered, registered)
    assert refused.value.code == "entity_type_missing"
    assert str(refused.value) == (
        f"Rule 'r': 'x' is registered as {known}; "
        "set allocation_metadata.entity_type to team or user."
    )


def test_percentages_become_whole_weights_exactly() -> None:
    shares = (("a", Decimal("33.33")), ("b", Decimal("66.666666666666666667")), ("c", Decimal(0)))
    rule = make_rule("r", "fixed_split", split_percentages=shares, entity_type="team")
    assert [receiver.weight for receiver in receivers(rule, set(), set())] == [
        33_330000000000000000,
        66_666666666666666667,
        0,
    ]


def test_ten_dollars_by_33_33_three_times_lose_nothing() -> None:
    shares = tuple((team, Decimal("33.33")) for team in ("a", "b", "c"))
    rule = make_rule("r", "fixed_split", split_percentages=shares, entity_type="team")
    weights = {str(team): weight for team, _, weight in receivers(rule, set(), set())}
    parts = money.split(10 * money.UNIT, weights)
    assert [str(money.amount(parts[team])) for team in ("a", "b", "c")] == [
        "3.333333333333333334",
        "3.333333333333333333",
        "3.333333333333333333",
    ]


@pytest.mark.parametrize("rule_type", ["by_usage", "by_team", "by_user"])
def test_only_splits_list_receivers(rule_type: str) -> None:
    with pytest.raises(AssertionError, match=f"r is {rule_type}, which lists no receivers"):
        receivers(make_rule("r", rule_type, team_id="t"), set(), set())


@pytest.mark.parametrize(
    ("members", "seen", "sharers"),
    [
        (["bob", "ann"], ["eve"], ["ann", "bob"]),
        ([], ["eve", "ann", "eve"], ["ann", "eve"]),
        ([], [], [None]),
        (["ann", "ann"], [], ["ann"]),
    ],
)
def test_a_teams_cost_goes_to_its_members_else_to_users_seen_else_to_itself(
    members: list[str], seen: list[str], sharers: list[str | None]
) -> None:
    assert by_team_receivers("t", members, seen) == tuple(
        Receiver("t", user, 1) for user in sharers
    )
