"""What the OpenAPI document says of allocation rules."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from entrypoints.api.shapes import Id, In, Instant, Number, NumberIn


class MatchIn(In):
    """Which cost a rule may take; each list that is given must match."""

    user_ids: list[Id] | None = None
    agent_ids: list[Id] | None = None
    account_ids: list[Id] | None = None
    resource_types: list[Id] | None = None


class RuleChangeIn(In):
    """What is to change of a rule; a field left out stays, null clears it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"enabled": False}})

    rule_id: Id | None = None
    name: str | None = None
    description: str | None = None
    rule_type: str | None = None
    enabled: bool | None = None
    team_id: Id | None = None
    user_ids: list[Id] | None = None
    entity_ids: list[Id] | None = None
    split_percentages: dict[str, NumberIn] | None = None
    driver: Annotated[Any, Field(description="What a `proportional` rule divides by.")] = None
    stage: int | None = None
    priority: int | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    match: MatchIn | None = None
    allocation_metadata: dict[str, Any] | None = None


class RuleIn(RuleChangeIn):
    """A rule to create."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {
            "rule_id": "team-equal-split", "name": "Team Equal Split", "rule_type": "by_team", "enabled": True,
            "description": "Split costs equally among team members", "team_id": "team-123"}},
    )  # fmt: skip

    rule_id: Id
    rule_type: Literal[
        "by_usage", "by_team", "by_user", "fixed_split", "equal_split", "proportional"
    ]


class Match(BaseModel):
    """Which cost a rule may take."""

    user_ids: list[str]
    agent_ids: list[str]
    account_ids: list[str]
    resource_types: list[str]


class Rule(BaseModel):
    """An allocation rule in its current version."""

    rule_id: str
    version: int
    name: str
    description: str
    rule_type: str
    enabled: bool
    team_id: str | None
    user_ids: list[str]
    entity_ids: list[str]
    split_percentages: dict[str, Number]
    driver: str | dict[str, str] | None
    stage: int
    priority: int
    valid_from: str | None
    valid_to: str | None
    match: Match
    allocation_metadata: dict[str, Any]
    created_at: Instant
    updated_at: Instant


class Takes(BaseModel):
    """How much unfrozen cost, in how many days, the rule takes as things are."""

    cost_usd: Number
    days: int


class RuleList(BaseModel):
    """The rules in the order of their ids."""

    rules: list[Rule]
    next_cursor: str | None


class RuleAnswer(BaseModel):
    """The rule."""

    rule: Rule


class RuleCreated(BaseModel):
    """The rule as it was made, and what it will take."""

    rule_id: str
    message: str
    rule: Rule
    takes: Takes


class RuleChanged(BaseModel):
    """The rule as it is now, and what it will take."""

    message: str
    rule: Rule
    takes: Takes
