"""What the OpenAPI document says of usage."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from entrypoints.api.shapes import Id, In, Instant, Number, NumberIn, When


class UsageIn(In):
    """Usage to record: what it cost and whose it was."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {
            "team_id": "team-123", "user_id": "user-456", "agent_id": "agent-789", "resource_type": "query",
            "quantity": 100.0, "cost_usd": 5.50, "timestamp": "2024-01-15T12:00:00Z"}},
    )  # fmt: skip

    cost_usd: NumberIn
    quantity: NumberIn | None = None
    resource_type: Id | None = None
    team_id: Id | None = None
    user_id: Id | None = None
    agent_id: Id | None = None
    account_id: Id | None = None
    resource_id: Id | None = None
    unit: Id | None = None
    timestamp: When | None = None
    usage_id: Id | None = None
    metadata: dict[str, Any] | None = None


class UsageRecord(BaseModel):
    """A usage record; `usage_id` as sent, `record_id` the ledger's own."""

    usage_id: str
    record_id: UUID
    team_id: str | None
    user_id: str | None
    agent_id: str | None
    account_id: str | None
    resource_type: str
    resource_id: str | None
    quantity: Number
    unit: str
    cost_usd: Number
    timestamp: Instant
    metadata: dict[str, Any] | None


class UsageRecorded(BaseModel):
    """The record that is held now."""

    usage_record: UsageRecord


class ListedRecord(UsageRecord):
    """A record in a list; a revision below none is a reversal or its correction."""

    source: str
    revision: int


class UsageList(BaseModel):
    """Usage records in an order that stays."""

    usage: list[ListedRecord]
    next_cursor: str | None


class BatchRow(BaseModel):
    """What became of one row; `line` counts from 1."""

    line: int
    usage_id: str | None
    outcome: Literal["new", "unchanged", "changed", "quarantined"]
    code: str | None
    error: str | None


class BatchAnswer(BaseModel):
    """Every row of a batch, in its order, and how many there were of each kind."""

    rows: list[BatchRow]
    received: int
    new: int
    unchanged: int
    changed: int
    quarantined: int


class CostAndQuantity(BaseModel):
    """What usage of one kind comes to."""

    cost: Number
    quantity: Number


class UsageSummary(BaseModel):
    """Usage of a stretch of time."""

    period_start: str
    period_end: str
    team_id: str | None
    user_id: str | None
    total_cost_usd: Number
    total_quantity: Number
    record_count: int
    by_resource_type: dict[str, CostAndQuantity]
    by_agent: dict[str, CostAndQuantity]


class SummaryAnswer(BaseModel):
    """The summary."""

    summary: UsageSummary
