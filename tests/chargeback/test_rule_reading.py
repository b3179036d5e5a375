"""Reading rules: what can work is read, what cannot is refused in one sentence."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from chargeback.errors import Invalid
from chargeback.rule import Rule
from chargeback.rules import parse
from models.enums import RuleType


def _refusal(**fields: Any) -> tuple[str, str]:
    """The code and the sentence with which a rule `r` of these fields is refused."""
    with pytest.raises(Invalid) as refused:
        parse({"rule_id": "r", "rule_type": "by_usage", **fields})
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)
    return refused.value.code, str(refused.value)


def _split(percentages: Mapping[Any, Any], **fields: Any) -> dict[str, Any]:
    return {"rule_type": "fixed_split", "split_percentages": percentages, **fields}


def test_the_guides_by_team_rule_is_read() -> None:
    rule = parse(
        {
            "rule_id": "team-equal-split",
            "name": "Team Equal Split",
            "description": "Split costs equally among team members",
            "rule_type": "by_team",
            "enabled": True,
            "team_id": "team-123",
        }
    )
    assert rule == Rule(
        rule_id="team-equal-split",
        name="Team Equal Split",
        description="Split costs equally among team members",
        rule_type=RuleType.BY_TEAM,
        team_id="team-123",
    )
    assert (rule.version, rule.priority, rule.enabled, rule.is_closing) == (1, 100, True, False)
    assert (rule.valid_from, rule.valid_to) == (date.min, date.max)


def test_the_guides_fixed_split_is_read() -> None:
    rule = parse(
        {
            "rule_id": "fixed-split-rule",
            "name": "Fixed Split",
            "rule_type": "fixed_split",
            "split_percentages": {"team-123": Decimal("60.0"), "team-456": Decimal("40.0")},
            "allocation_metadata": {"entity_type": "team"},
        }
    )
    assert rule.split_percentages == (("team-123", Decimal(60)), ("team-456", Decimal(40)))
    assert rule.entity_type == "team"
    assert rule.metadata == {"entity_type": "team"}


def test_criteria_priority_and_dates_are_read() -> None:
    rule = parse(
        {
            "rule_id": "r",
            "rule_type": "equal_split",
            "user_ids": ["ann", "bob"],
            "priority": 5,
            "valid_from": "2026-10-01",
            "valid_to": date(2026, 11, 1),
            "team_id": None,
            "match": {
                "user_ids": ["eve"],
                "agent_ids": ["a1", "a2"],
                "account_ids": ["001"],
                "resource_types": ["query"],
            },
        }
    )
    assert tuple(rule.criteria) == (None, ("eve",), ("a1", "a2"), ("001",), ("query",))
    assert rule.criteria.kinds == 4
    assert (rule.user_ids, rule.priority, rule.name) == (("ann", "bob"), 5, "r")
    assert rule.is_valid_on(date(2026, 10, 31))
    assert not rule.is_valid_on(date(2026, 11, 1))


@pytest.mark.parametrize("rule_type", ["by_usage", "by_team", "by_user"])
def test_the_users_of_a_direct_rule_say_whose_cost_it_takes(rule_type: str) -> None:
    rule = parse({"rule_id": "r", "rule_type": rule_type, "team_id": "t", "user_ids": ["ann"]})
    assert rule.criteria.user_ids == ("ann",)


# Types.


@pytest.mark.parametrize("rule_type", ["by_magic", "unattributed", "BY_TEAM", None, 5, []])
def test_an_unknown_type_is_refused_listing_the_six(rule_type: object) -> None:
    code, message = _refusal(rule_type=rule_type)
    assert code == "rule_type_unknown"
    assert message.endswith(
        "write one of by_usage, by_team, by_user, fixed_split, equal_split, proportional."
    )


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"rule_type": "by_team"}, "team_id_missing", "name the team in team_id"),
        ({"rule_type": "by_user"}, "user_ids_missing", "list at least one in user_ids"),
        ({"rule_type": "by_user", "user_ids": []}, "user_ids_missing", "list at least one"),
        ({"rule_type": "equal_split"}, "receivers_missing", "nobody to split between"),
        ({"rule_type": "equal_split", "team_id": "t"}, "receivers_missing", "users in user_ids"),
        ({"rule_type": "fixed_split"}, "receivers_missing", "write split_percentages"),
        (_split({}), "receivers_missing", "write split_percentages"),
    ],
)
def test_a_type_without_what_it_needs_is_refused(
    fields: dict[str, Any], code: str, words: str
) -> None:
    assert _refusal(**fields)[0] == code
    assert words in _refusal(**fields)[1]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"split_percentages": {"a": 100}}, "field_not_for_type"),
        ({"entity_ids": ["a"]}, "field_not_for_type"),
        (_split({"a": 100}, entity_ids=["a"]), "field_not_for_type"),
        (_split({"a": 100}, user_ids=["a"]), "receivers_given_twice"),
        ({"user_ids": ["a"], "match": {"user_ids": ["b"]}}, "users_given_twice"),
    ],
)
def test_a_field_that_would_be_ignored_is_refused(fields: dict[str, Any], code: str) -> None:
    assert _refusal(**fields)[0] == code


@pytest.mark.parametrize(
    "fields",
    [
        {"user_ids": ["ann"], "entity_ids": ["team-a"]},
        {"user_ids": ["ann"], "allocation_metadata": {"entity_type": "team"}},
    ],
)
def test_receivers_are_users_or_listed_entities_but_not_both(fields: dict[str, Any]) -> None:
    assert _refusal(rule_type="equal_split", **fields)[0] == "receivers_given_twice"


# Percentages.


@pytest.mark.parametrize(
    "percentages",
    [
        {"a": 100},
        {"a": "33.33", "b": "33.33", "c": "33.33"},
        {"a": "60", "b": "39.995"},
        {"a": "60", "b": "40.01"},
        {"a": 100, "b": 0},
        {"a": "33.3333333333", "b": "66.6666666667"},
    ],
)
def test_percentages_may_miss_a_hundred_by_a_hundredth(percentages: dict[str, Any]) -> None:
    rule = parse({"rule_id": "r", **_split(percentages)})
    assert dict(rule.split_percentages) == {key: Decimal(n) for key, n in percentages.items()}


@pytest.mark.parametrize(
    ("percentages", "words"),
    [
        ({"a": "60", "b": "39.98"}, "the percentages sum to 99.98; make it 100"),
        ({"a": "60.00", "b": "40.020"}, "sum to 100.02;"),
        ({"a": "60", "b": "39.9899999999"}, "sum to 99.9899999999;"),
        ({"a": 60, "b": 50}, "sum to 110;"),
        ({"a": 0, "b": "0.0"}, "all percentages are zero"),
    ],
)
def test_percentages_further_off_are_refused_with_their_sum(
    percentages: dict[str, Any], words: str
) -> None:
    code, message = _refusal(**_split(percentages))
    assert code == "percentages_sum"
    assert words in message


@pytest.mark.parametrize(
    ("share", "words"),
    [
        ("-50", "the percentage of 'b' is -50; write one from 0 to 100"),
        ("150", "the percentage of 'b' is 150"),
        ("NaN", "write a finite number"),
        (Decimal("NaN"), "write a finite one"),
        ("Infinity", "write a finite number"),
        ("5,5", "write a decimal point"),
        ("", "it is empty"),
        (None, "None is no number"),
        (True, "True is no number"),
        ("1E-19", "more than 18 decimals"),
        ("1E-900000", "more than 18 decimals"),
    ],
)
def test_a_percentage_that_is_none_is_refused(share: object, words: str) -> None:
    code, message = _refusal(**_split({"a": 50, "b": share}))
    assert code == "percentage_invalid"
    assert words in message
    assert message.startswith("Rule 'r': the percentage of 'b'")


def test_a_percentage_read_as_a_float_is_our_own_mistake() -> None:
    with pytest.raises(TypeError):
        parse({"rule_id": "r", **_split({"a": 100.0})})


# Ids and lists.


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("", "is blank"),
        ("  ", "is blank"),
        (" a ", "has spaces around it"),
        ("a\n", "has spaces around it"),
        ("a" * 256, "has 256 characters; give 255 at most"),
        ("a\0b", "holds a NUL"),
        ("a\ud800", "half a character"),
        (5, "is 5; write it as text, in quotes"),
    ],
)
def test_an_id_that_cannot_be_kept_is_refused(bad: object, words: str) -> None:
    for fields in (
        {"rule_id": bad},
        {"team_id": bad},
        {"user_ids": ["ok", bad]},
        {"match": {"agent_ids": [bad]}},
        _split({bad: 100}),
    ):
        code, message = _refusal(**fields)
        assert code == "id_invalid"
        assert words in message


def test_ids_of_255_characters_and_any_script_are_kept() -> None:
    rule = parse({"rule_id": "é" * 255, "rule_type": "by_team", "team_id": "R&D <平台>"})
    assert (len(rule.rule_id), rule.team_id) == (255, "R&D <平台>")


@pytest.mark.parametrize("built_in", ["by_usage", "unattributed"])
def test_built_in_rules_are_not_made_again(built_in: str) -> None:
    code, message = _refusal(rule_id=built_in)
    assert code == "rule_id_built_in"
    assert message == f"Rule '{built_in}': {built_in} is built in; choose another rule_id."


def test_a_rule_without_an_id_is_refused() -> None:
    with pytest.raises(Invalid, match="has no rule_id; give it one"):
        parse({"rule_type": "by_usage"})
    with pytest.raises(Invalid, match="is no rule; write an object"):
        parse(["by_usage"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        {"user_ids": ["ann", "bob", "ann"]},
        {"rule_type": "equal_split", "entity_ids": ["ann", "ann"]},
        {"match": {"resource_types": ["ann", "ann"]}},
    ],
)
def test_an_id_listed_twice_is_refused(fields: dict[str, Any]) -> None:
    code, message = _refusal(**fields)
    assert code == "ids_repeated"
    assert "'ann' is in" in message


def test_a_thousand_receivers_are_the_most() -> None:
    thousand = [f"u{number}" for number in range(1000)]
    rule = parse({"rule_id": "r", "rule_type": "equal_split", "user_ids": thousand})
    assert len(rule.user_ids) == 1000
    for fields in (
        {"user_ids": [*thousand, "v"]},
        {"entity_ids": [*thousand, "v"]},
        _split(dict.fromkeys([*thousand, "v"], "0.1")),
    ):
        code, message = _refusal(**{"rule_type": "equal_split", **fields})
        assert code == "too_many_ids"
        assert "lists 1,001; list 1,000 at most" in message


# The other fields.


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"rule_typ": 1}, "there is no field 'rule_typ'; did you mean rule_type."),
        ({"split_percentage": {}}, "did you mean split_percentages."),
        ({"agent_ids": []}, "write it as match.agent_ids."),
        ({"match": {"agents_id": []}}, "no field 'match.agents_id'; did you mean match.agent_ids."),
        ({"zzz": 1}, "the fields are rule_id, name, description,"),
        ({5: 1}, "there is no field '5'"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest_name(
    fields: dict[Any, Any], words: str
) -> None:
    with pytest.raises(Invalid) as refused:
        parse({"rule_id": "r", "rule_type": "by_usage", **fields})
    assert refused.value.code == "field_unknown"
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"enabled": "false"}, "write true or false"),
        ({"enabled": 1}, "write true or false"),
        ({"priority": -1}, "write a whole number from 0"),
        ({"priority": 1_000_001}, "to 1000000"),
        ({"priority": "5"}, "write a whole number"),
        ({"priority": True}, "write a whole number"),
        ({"name": 5}, "write it as plain text"),
        ({"description": "a\0"}, "write it as plain text"),
        ({"user_ids": "ann"}, "write a list of ids"),
        ({"match": {"user_ids": {}}}, "write a list of ids"),
        ({"match": []}, "write an object of fields"),
        ({"allocation_metadata": "team"}, "write an object of fields"),
        ({"split_percentages": [60, 40]}, "write an object of fields"),
    ],
)
def test_a_field_of_the_wrong_kind_is_refused(fields: dict[str, Any], words: str) -> None:
    code, message = _refusal(**fields)
    assert code == "field_invalid"
    assert words in message


def test_metadata_is_kept_as_json_keeps_it() -> None:
    metadata = {"ticket": 7, "share": Decimal("0.10"), "since": date(2026, 10, 1), "tags": ["x"]}
    rule = parse({"rule_id": "r", "rule_type": "by_usage", "allocation_metadata": metadata})
    assert rule.metadata == {"ticket": 7, "share": "0.10", "since": "2026-10-01", "tags": ["x"]}


@pytest.mark.parametrize(
    "metadata",
    [{"a": "\0"}, {"a": [{"b": "\ud800"}]}, {"a\0": 1}, {("a", "b"): 1}, {"a": float("nan")}],
)
def test_metadata_that_postgres_cannot_keep_is_refused(metadata: dict[Any, Any]) -> None:
    code, message = _refusal(allocation_metadata=metadata)
    assert code == "field_invalid"
    assert "write texts, numbers and lists under text keys" in message


def test_an_entity_is_a_team_or_a_user() -> None:
    code, message = _refusal(allocation_metadata={"entity_type": "agent"})
    assert (code, message) == (
        "entity_type_unknown",
        "Rule 'r': allocation_metadata.entity_type is 'agent'; write team or user.",
    )
    assert _refusal(allocation_metadata={"entity_type": []})[0] == "entity_type_unknown"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"valid_from": "2026-10-01", "valid_to": "2026-10-01"}, "validity_invalid"),
        ({"valid_from": "2026-11-01", "valid_to": "2026-10-01"}, "validity_invalid"),
        ({"valid_from": "2026-13-01"}, "day_invalid"),
        ({"valid_to": 20261001}, "day_invalid"),
        ({"valid_from": datetime(2026, 10, 1)}, "day_invalid"),  # noqa: DTZ001
    ],
)
def test_a_validity_without_days_is_refused(fields: dict[str, Any], code: str) -> None:
    assert _refusal(**fields)[0] == code
    assert "Rule 'r': " in _refusal(**fields)[1]
