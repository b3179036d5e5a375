"""What the fields of an allocation rule need of each other, type by type.

Owns the refusals that no single field shows; those are `rule_reading`.
"""

from decimal import Decimal
from typing import Final, NoReturn

from chargeback import money
from chargeback.errors import Invalid
from chargeback.quoting import quoted
from chargeback.rule import SPLITS, Rule
from models.enums import RuleType

HUNDRED: Final = Decimal(100)
PERCENTAGES_MAY_MISS: Final = Decimal("0.01")


def refuse(rule_id: str, code: str, reason: str, remedy: str) -> NoReturn:
    """Raise Invalid in one sentence: the rule, why it cannot work, what to do instead."""
    raise Invalid(code, f"Rule {quoted(rule_id)}: {reason}; {remedy}.")


def check(rule: Rule) -> None:
    """Nothing, if the rule has what its type needs and nothing it would ignore; else Invalid."""
    if rule.valid_from >= rule.valid_to:
        refuse(
            rule.rule_id,
            "validity_invalid",
            f"valid_to {rule.valid_to} is not after valid_from {rule.valid_from}",
            "valid_to is the first day it is no longer valid, so give a later one",
        )
    if rule.rule_type is RuleType.FIXED_SPLIT:
        _check_fixed_split(rule)
    elif rule.split_percentages:
        _ignored(rule, "split_percentages", "a fixed_split")
    if rule.rule_type is RuleType.EQUAL_SPLIT:
        _check_equal_split(rule)
    elif rule.entity_ids and rule.rule_type is not RuleType.PROPORTIONAL:
        _ignored(rule, "entity_ids", "an equal_split or a proportional")
    if rule.rule_type is RuleType.PROPORTIONAL and rule.user_ids:
        refuse(
            rule.rule_id,
            "receivers_given_twice",
            "proportional charges those in entity_ids, so user_ids means nothing to it",
            "list users in entity_ids, or write match.user_ids to take the cost of some users only",
        )
    if rule.rule_type not in SPLITS:
        _check_direct(rule)
    if rule.stage > 1:
        _check_later_stage(rule)


def _check_later_stage(rule: Rule) -> None:
    """A later stage takes what was given to a team: it has no users, agents or accounts to ask for."""
    if rule.rule_type not in SPLITS:
        refuse(
            rule.rule_id,
            "stage_not_for_type",
            f"{rule.rule_type} leaves cost where it is and passes nothing on in stage {rule.stage}",
            "make it a fixed_split, an equal_split or a proportional, or leave stage out",
        )
    if rule.team_id is None:
        refuse(
            rule.rule_id,
            "team_id_missing",
            f"a rule of stage {rule.stage} passes on what one team was given",
            "name that team in team_id",
        )
    criteria = {
        "user_ids": rule.match_user_ids,
        "agent_ids": rule.agent_ids,
        "account_ids": rule.account_ids,
    }
    for name, values in criteria.items():
        if values:
            refuse(
                rule.rule_id,
                "field_not_for_stage",
                f"match.{name} means nothing in stage {rule.stage}, which takes a team's cost and no usage",
                "leave it out, or narrow the rule by match.resource_types",
            )


def _ignored(rule: Rule, name: str, owner: str) -> NoReturn:
    refuse(
        rule.rule_id,
        "field_not_for_type",
        f"{name} means nothing to {rule.rule_type}",
        f"leave it out or make the rule {owner}",
    )


def _check_direct(rule: Rule) -> None:
    if rule.rule_type is RuleType.BY_TEAM and rule.team_id is None:
        refuse(
            rule.rule_id,
            "team_id_missing",
            "by_team splits the cost of one team",
            "name the team in team_id",
        )
    if rule.rule_type is RuleType.BY_USER and not rule.user_ids:
        refuse(
            rule.rule_id,
            "user_ids_missing",
            "by_user charges the users it lists",
            "list at least one in user_ids",
        )
    if rule.user_ids and rule.match_user_ids:
        refuse(
            rule.rule_id,
            "users_given_twice",
            f"user_ids and match.user_ids both say whose cost {rule.rule_type} takes",
            "give one of them",
        )


def _check_equal_split(rule: Rule) -> None:
    if not rule.user_ids and not rule.entity_ids:
        refuse(
            rule.rule_id,
            "receivers_missing",
            "equal_split has nobody to split between",
            "list users in user_ids, or teams or users in entity_ids",
        )
    if rule.user_ids and rule.entity_ids:
        refuse(
            rule.rule_id,
            "receivers_given_twice",
            "equal_split has receivers in user_ids and in entity_ids",
            "give one of the lists",
        )
    if rule.user_ids and rule.entity_type == "team":
        refuse(
            rule.rule_id,
            "receivers_given_twice",
            "user_ids are users, but allocation_metadata.entity_type says team",
            "list teams in entity_ids",
        )


def _check_fixed_split(rule: Rule) -> None:
    if not rule.split_percentages:
        refuse(
            rule.rule_id,
            "receivers_missing",
            "fixed_split has nobody to split between",
            "write split_percentages, like {team-a: 60, team-b: 40}",
        )
    if rule.user_ids:
        refuse(
            rule.rule_id,
            "receivers_given_twice",
            "fixed_split charges those in split_percentages, so user_ids means nothing to it",
            "write match.user_ids to take the cost of some users only",
        )
    whole = money.exact_sum(share for _, share in rule.split_percentages)
    if not whole:
        refuse(
            rule.rule_id, "percentages_sum", "all percentages are zero", "make them add up to 100"
        )
    if abs(whole - HUNDRED) > PERCENTAGES_MAY_MISS:
        refuse(
            rule.rule_id,
            "percentages_sum",
            f"the percentages sum to {_plain(whole)}",
            "make it 100",
        )


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
