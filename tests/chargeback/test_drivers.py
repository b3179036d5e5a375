"""Rules that divide by a driver and rules of later stages: what is read, what is refused, who bears how much."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargeback import money
from chargeback.driver_reading import written
from chargeback.errors import Invalid
from chargeback.rule import Driver, Rule
from chargeback.rules import Receiver, by_driver, parse, receivers

A, B, C = (Receiver(team, None, 1) for team in "abc")
NOBODY = Receiver(None, None, 1)


def read(**fields: Any) -> Rule:
    return parse({"rule_id": "r", "rule_type": "proportional", **fields})


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        (None, Driver()),
        ("direct_cost", Driver()),
        ({"resource_type": "gpu"}, Driver(None, "gpu", None)),
        (
            {"source": "heads", "resource_type": "seat", "unit": "seats"},
            Driver("heads", "seat", "seats"),
        ),
    ],
)
def test_a_driver_is_read_and_written_back(given: Any, driver: Driver) -> None:
    rule = read(driver=given, entity_ids=["a", "b"])
    assert rule.driver == driver
    assert read(driver=written(rule.driver)).driver == driver


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        ("cost", r"driver is 'cost'; write direct_cost, or an object like"),
        ({}, "driver is {}"),
        ({"resource": "gpu"}, "there is no driver field 'resource'"),
        ({"resource_type": 5}, "driver.resource_type is 5; write it as text"),
        ({"resource_type": " "}, "driver.resource_type is ' '; write it as text"),
        ({"unit": "hours"}, "driver names neither a source nor a resource type"),
    ],
)
def test_a_driver_that_says_nothing_is_refused(driver: Any, reason: str) -> None:
    with pytest.raises(Invalid, match=f"^Rule 'r': {reason}"):
        read(driver=driver)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"rule_type": "by_usage", "driver": "direct_cost"}, "driver means nothing to by_usage"),
        ({"user_ids": ["ann"]}, "user_ids means nothing to it; list users in entity_ids"),
        ({"split_percentages": {"a": 100}}, "split_percentages means nothing to proportional"),
        ({"stage": 0}, "stage is 0; write a whole number from 1"),
        ({"stage": 10}, "stage is 10; write a whole number from 1"),
        ({"stage": True}, "stage is True"),
        (
            {"stage": 2},
            "a rule of stage 2 passes on what one team was given; name that team in team_id",
        ),
        (
            {"stage": 2, "team_id": "a", "match": {"agent_ids": ["x"]}},
            "match.agent_ids means nothing in stage 2",
        ),
        (
            {"stage": 2, "team_id": "a", "match": {"user_ids": ["x"]}},
            "match.user_ids means nothing in stage 2",
        ),
        (
            {"stage": 3, "team_id": "a", "rule_type": "by_team"},
            "by_team leaves cost where it is and passes nothing",
        ),
    ],
)
def test_what_a_rule_would_ignore_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        read(**fields)


def test_a_proportional_rule_lists_its_receivers_or_nobody() -> None:
    rule = read(entity_ids=["a", "ann"])
    assert receivers(rule, {"a"}, {"ann"}) == (A, Receiver(None, "ann", 1))
    assert receivers(read(), {"a"}, {"ann"}) == ()


def test_each_weighs_its_driver_and_those_below_zero_nothing() -> None:
    found = by_driver((B, A, C), {A: 3, B: 5, C: -9}, NOBODY)
    assert found == ((B._replace(weight=5), A._replace(weight=3)), None)


def test_those_not_listed_bear_nothing_and_those_without_a_driver_neither() -> None:
    assert by_driver((A, B), {A: 3, C: 100}, NOBODY) == ((A._replace(weight=3),), None)


def test_without_any_driver_the_listed_bear_equal_parts_and_without_a_list_nobody() -> None:
    equal, reason = by_driver((A, B), {A: 0, B: -1}, NOBODY)
    assert [one.weight for one in equal] == [money.UNIT, money.UNIT]
    assert reason == "nobody listed has a driver above zero that month, so all bear equal parts"
    borne, reason = by_driver((), {A: 0, B: -1}, NOBODY)
    assert borne == (NOBODY._replace(weight=money.UNIT),)
    assert reason == "nobody has a driver above zero that month"


WEIGHTS = st.dictionaries(st.sampled_from((A, B, C)), st.integers(-(10**30), 10**30))


@given(listed=st.lists(st.sampled_from((A, B, C)), unique=True), weights=WEIGHTS)
def test_somebody_always_bears_it_and_never_by_less_than_nothing(
    listed: list[Receiver], weights: dict[Receiver, int]
) -> None:
    borne, _ = by_driver(listed, weights, NOBODY)
    assert borne
    assert all(one.weight > 0 for one in borne)
    assert {one._replace(weight=1) for one in borne} <= ({*listed} or {*weights, NOBODY})


def test_where_nobody_is_listed_users_without_a_team_come_first_then_teams_then_their_users() -> (
    None
):
    user, team, other, its_user = (
        Receiver(None, "U", 1), Receiver("A", None, 1), Receiver("B", None, 1), Receiver("A", "U", 1)
    )  # fmt: skip
    borne, reason = by_driver((), {other: 4, its_user: 3, team: 2, user: 1}, NOBODY)
    assert [(r.team_id, r.user_id, r.weight) for r in borne] == [
        (None, "U", 1), ("A", None, 2), ("A", "U", 3), ("B", None, 4)
    ]  # fmt: skip
    assert reason is None
