"""Which rule takes a cost, and who then pays.

Owns the order of the rules, the executable meaning of their criteria (the SQL that classifies
cells is tested against it) and the receivers of a shared cost. Reading a rule is `rule_reading`,
offered here as `parse`.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from typing import NamedTuple

from chargeback import money
from chargeback.errors import Invalid
from chargeback.rule import SPLITS, Criteria, Driver, EntityType, Rule
from chargeback.rule_reading import parse
from models.enums import RuleType

__all__ = [
    "Criteria",
    "Driver",
    "EntityType",
    "Receiver",
    "Rule",
    "by_driver",
    "by_team_receivers",
    "in_force",
    "order",
    "parse",
    "receivers",
    "takes",
]


class Receiver(NamedTuple):
    """Who bears a part of a shared cost, and the weight that gives the part."""

    team_id: str | None
    user_id: str | None
    weight: int


def order(rule: Rule) -> tuple[int, int, str]:
    """The sort key in which rules take cost: priority, then more kinds of criteria, then id."""
    return rule.priority, -rule.criteria.kinds, rule.rule_id


def in_force(rules: Iterable[Rule], day: date) -> list[Rule]:
    """The rules that may take the cost of `day`, in the order in which they are asked.

    Of each rule_id the highest version valid that day speaks; a disabled or closing one thereby
    silences the older ones.
    """
    newest: dict[str, Rule] = {}
    for rule in rules:
        held = newest.get(rule.rule_id)
        if rule.is_valid_on(day) and (held is None or rule.version > held.version):
            newest[rule.rule_id] = rule
    return sorted(
        (rule for rule in newest.values() if rule.enabled and not rule.is_closing), key=order
    )


def takes(
    rule: Rule,
    team_id: str | None,
    user_id: str | None,
    agent_id: str | None,
    account_id: str | None,
    resource_type: str,
) -> bool:
    """Whether the rule's criteria let it take a cell with these attributes.

    Each kind of criteria must match, by any of its values; a kind the cell lacks does not match.
    A rule that names neither team nor users may therefore take what has no owner.
    """
    asked = rule.criteria
    return (
        asked.team_id in (None, team_id)
        and _is_among(user_id, asked.user_ids)
        and _is_among(agent_id, asked.agent_ids)
        and _is_among(account_id, asked.account_ids)
        and _is_among(resource_type, asked.resource_types)
    )


def _is_among(value: str | None, wanted: tuple[str, ...]) -> bool:
    return not wanted or value in wanted


def receivers(rule: Rule, teams: AbstractSet[str], users: AbstractSet[str]) -> tuple[Receiver, ...]:
    """Who a split names to be charged, each alone, ordered as the rule lists them.

    `teams` and `users` are the registered ids: they tell what an entity is where the rule does not.
    Percentages become whole weights, exactly; an equal split weighs each as 1, as does a proportional one,
    whose weights are of a month and come with `by_driver`.
    Raises Invalid (`entity_type_missing`) when an entity is registered as both or as neither.
    """
    if rule.rule_type not in SPLITS:
        raise AssertionError(f"{rule.rule_id} is {rule.rule_type}, which lists no receivers")
    if rule.rule_type is RuleType.FIXED_SPLIT:
        weights = [(entity, money.units(share)) for entity, share in rule.split_percentages]
    else:
        weights = [(entity, 1) for entity in rule.user_ids or rule.entity_ids]
    return tuple(_receiver(rule, entity, weight, teams, users) for entity, weight in weights)


def _receiver(
    rule: Rule, entity: str, weight: int, teams: AbstractSet[str], users: AbstractSet[str]
) -> Receiver:
    if _kind_of(rule, entity, teams, users) == "team":
        return Receiver(entity, None, weight)
    return Receiver(None, entity, weight)


def _kind_of(
    rule: Rule, entity: str, teams: AbstractSet[str], users: AbstractSet[str]
) -> EntityType:
    if rule.entity_type is not None:
        return rule.entity_type
    if rule.rule_type is RuleType.EQUAL_SPLIT and rule.user_ids:
        return "user"
    is_team, is_user = entity in teams, entity in users
    if is_team != is_user:
        return "team" if is_team else "user"
    known = "both a team and a user" if is_team else "neither a team nor a user"
    raise Invalid(
        "entity_type_missing",
        f"Rule {rule.rule_id!r}: {entity!r} is registered as {known}; "
        "set allocation_metadata.entity_type to team or user.",
    )


def by_team_receivers(
    team_id: str, members: Sequence[str], seen_users: Sequence[str]
) -> tuple[Receiver, ...]:
    """Who bears the cost of a `by_team` rule that day, in equal shares and inside the team.

    The registered members that day; without any, the users seen in the team's usage in that
    calendar month; without any, the team itself. Sorted by user, each once.
    """
    sharers = sorted(set(members) or set(seen_users))
    return tuple(Receiver(team_id, user, 1) for user in sharers) or (Receiver(team_id, None, 1),)


def by_driver(
    listed: Sequence[Receiver], weights: Mapping[Receiver, int], nobody: Receiver
) -> tuple[tuple[Receiver, ...], str | None]:
    """Who bears the cost of a `proportional` rule, each by its driver; and the reason where nobody has any.

    Units: `weights` in 10⁻¹⁸, by receivers of weight 1; the others have none. Below zero counts as zero.
    `listed` are those the rule names; where it names nobody, everybody with a weight is meant. Where all
    weights are zero those listed bear equal parts, or `nobody` bears it: no pool stops a day.
    """
    meant = listed or sorted(weights, key=lambda r: (r.team_id or "", r.user_id or ""))
    weighed = [r._replace(weight=max(0, weights.get(r._replace(weight=1), 0))) for r in meant]
    if any(receiver.weight for receiver in weighed):
        return tuple(receiver for receiver in weighed if receiver.weight), None
    if listed:
        equal = tuple(receiver._replace(weight=money.UNIT) for receiver in listed)
        return equal, "nobody listed has a driver above zero that month, so all bear equal parts"
    return (nobody._replace(weight=money.UNIT),), "nobody has a driver above zero that month"
