"""What an allocation rule is: one version of it, as it is stored and as the engine reads it.

Owns the value and its criteria. How it is written and refused is `rule_reading`, which rule takes
which cost and who pays is `rules`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from models.enums import RuleType

EntityType = Literal["team", "user"]
SPLITS: Final = frozenset({RuleType.FIXED_SPLIT, RuleType.EQUAL_SPLIT, RuleType.PROPORTIONAL})
ALWAYS_FROM, ALWAYS_TO = date.min, date.max


class Criteria(NamedTuple):
    """Which cells a rule may take; an empty kind asks for nothing."""

    team_id: str | None = None
    user_ids: tuple[str, ...] = ()
    agent_ids: tuple[str, ...] = ()
    account_ids: tuple[str, ...] = ()
    resource_types: tuple[str, ...] = ()

    @property
    def kinds(self) -> int:
        """How many kinds of criteria there are: of two rules the one with more is more specific."""
        return sum(map(bool, self))


class Driver(NamedTuple):
    """What a `proportional` rule divides by: a quantity of these, or direct cost where nothing is named."""

    source: str | None = None
    resource_type: str | None = None
    unit: str | None = None

    def __str__(self) -> str:
        named = [
            f"{name.replace('_', ' ')} {value}" for name, value in self._asdict().items() if value
        ]
        return f"quantity of {', '.join(named)}" if named else "direct cost"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One version of an allocation rule; once used it is never edited, an edit is a new version.

    `user_ids` are as given: the receivers of an `equal_split`, a criterion of the direct types.
    A rule of a later `stage` takes, instead of cells, what the stages before it gave to `team_id`.
    Valid from `valid_from` up to, and without, `valid_to`. `is_closing` marks a deletion.
    """

    rule_id: str
    rule_type: RuleType
    name: str
    key: int | None = None
    version: int = 1
    description: str = ""
    enabled: bool = True
    is_closing: bool = False
    priority: int = 100
    team_id: str | None = None
    user_ids: tuple[str, ...] = ()
    match_user_ids: tuple[str, ...] = ()
    agent_ids: tuple[str, ...] = ()
    account_ids: tuple[str, ...] = ()
    resource_types: tuple[str, ...] = ()
    entity_ids: tuple[str, ...] = ()
    entity_type: EntityType | None = None
    split_percentages: tuple[tuple[str, Decimal], ...] = ()
    valid_from: date = ALWAYS_FROM
    valid_to: date = ALWAYS_TO
    metadata: Mapping[str, Any] = field(default_factory=dict)
    stage: int = 1
    driver: Driver | None = None

    @property
    def criteria(self) -> Criteria:
        """Which cells it may take: `user_ids` narrow the direct types, but receive in a split."""
        users = self.match_user_ids
        if self.rule_type not in SPLITS and not users:
            users = self.user_ids
        return Criteria(self.team_id, users, self.agent_ids, self.account_ids, self.resource_types)

    def is_valid_on(self, day: date) -> bool:
        """Whether `day` is one of the days this version is valid."""
        return self.valid_from <= day < self.valid_to
