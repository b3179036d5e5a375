"""Cost that is passed on from team to team, and the circles in which it would come back.

Owns what a circle is. Stages only go up, so no cost can go round for ever; but where the teams that a rule
passes cost on to pass theirs, at whatever stage, back to the first, that team bears again what it passed on.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from chargeback.errors import Invalid
from chargeback.rule import Rule


class Pass(NamedTuple):
    """A rule of a later stage passes the cost of one team on to another."""

    rule: Rule
    to_team: str

    @property
    def from_team(self) -> str:
        """The team whose cost it is."""
        assert self.rule.team_id is not None, "a rule of a later stage names its team"
        return self.rule.team_id


def circle(passes: Iterable[Pass]) -> Sequence[Pass]:
    """The shortest way on which cost comes back to the team that passed it on; empty where there is none.

    Of several the one that begins with the smallest team, so that the answer does not depend on order.
    """
    ways: dict[str, list[Pass]] = {}
    for one in sorted(passes, key=lambda p: (p.from_team, p.to_team, p.rule.rule_id)):
        ways.setdefault(one.from_team, []).append(one)
    found = [way for team in ways if (way := _way_back(team, ways))]
    return min(found, key=len, default=())


def _way_back(team: str, ways: dict[str, list[Pass]]) -> Sequence[Pass]:
    """The shortest way from a team to itself."""
    reached: set[str] = set()
    front: list[tuple[Pass, ...]] = [(one,) for one in ways[team]]
    while front:
        further = []
        for way in front:
            last = way[-1].to_team
            if last == team:
                return way
            if last not in reached:
                reached.add(last)
                further += [(*way, one) for one in ways.get(last, ())]
        front = further
    return ()


def refuse_circle(passes: Iterable[Pass]) -> None:
    """Raises Invalid naming the chain on which cost would come back to a team that passed it on."""
    way = circle(passes)
    if not way:
        return
    first = way[0].from_team
    steps = "".join(
        f" → {one.to_team} (rule {one.rule.rule_id!r}, stage {one.rule.stage})" for one in way
    )
    raise Invalid(
        "cost_in_a_circle",
        f"the cost that team {first!r} passes on would come back to it: {first}{steps}; "
        "take one of these teams out of the rule that passes cost to it",
    )
