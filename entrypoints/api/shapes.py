"""What the OpenAPI document says of bodies and answers; tests hold the answers against it.

These classes document and are never filled: bodies are read by the business, answers written by `wire`.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

Number = Annotated[Any, WithJsonSchema({"type": "number"})]
# Text keeps every digit where a client's numbers cannot.
NumberIn = Annotated[
    Any,
    WithJsonSchema(
        {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}]}
    ),
]
Id = Annotated[str, Field(min_length=1, max_length=255)]
Instant = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
When = Annotated[
    str, Field(description="A date, or an instant in ISO 8601; without offset it is UTC.")
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """Why not: one sentence, a stable code, and what a program may want to know."""

    error: str
    code: str
    details: list[Any]


class UsageIn(_In):
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


class MatchIn(_In):
    """Which cost a rule may take; each list that is given must match."""

    user_ids: list[Id] | None = None
    agent_ids: list[Id] | None = None
    account_ids: list[Id] | None = None
    resource_types: list[Id] | None = None


class RuleChangeIn(_In):
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


class Message(BaseModel):
    """What was done."""

    message: str


class AllocateIn(_In):
    """The days to allocate, and whose allocations to answer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {
            "period_start": "2024-01-01T00:00:00Z", "period_end": "2024-01-31T23:59:59Z", "team_id": "team-123"}},
    )  # fmt: skip

    period_start: When
    period_end: When
    team_id: Id | None = None
    rule_id: Id | None = None
    limit: int | None = None
    cursor: str | None = None


class Allocation(BaseModel):
    """What one payer bears of a period under one rule; the same question has the same id."""

    allocation_id: str
    rule_id: str
    team_id: str | None
    user_id: str | None
    period_start: str
    period_end: str
    total_cost_usd: Number
    total_quantity: Number
    usage_records: list[str]
    has_more_usage_records: bool
    usage_url: str
    allocation_details: dict[str, Any]


class AllocationList(BaseModel):
    """The allocations in the order of rule, team and user; `period_widened`: the days are more than was asked."""

    allocations: list[Allocation]
    period_start: str
    period_end: str
    period_widened: bool
    next_cursor: str | None


class InvoiceIn(_In):
    """Whose invoice, and for which days; without team and user one for all that is not yet invoiced."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {
            "team_id": "team-123", "period_start": "2024-01-01T00:00:00Z", "period_end": "2024-01-31T23:59:59Z",
            "invoice_number": "INV-20240101-0001"}},
    )  # fmt: skip

    period_start: When
    period_end: When
    team_id: Id | None = None
    user_id: Id | None = None
    invoice_number: str | None = None


class LineItem(BaseModel):
    """One line; `unit_price` is `total_price / quantity`, for information."""

    description: str
    quantity: Number
    unit: str
    unit_price: Number
    total_price: Number
    resource_type: str


class HeldElsewhere(BaseModel):
    """What another document holds of the same cost."""

    invoice_number: str
    amount_usd: Number


class Invoice(BaseModel):
    """An invoice or credit note."""

    invoice_id: UUID
    invoice_number: str
    kind: Literal["invoice", "credit_note"]
    scope: Literal["team", "user", "team_user", "all"]
    team_id: str | None
    user_id: str | None
    period_start: str
    period_end: str
    status: Literal["draft", "pending", "sent", "paid", "overdue", "cancelled"]
    line_items: list[LineItem]
    subtotal_usd: Number
    rounding_difference_usd: Number
    tax_rate: Number
    tax_usd: Number
    total_usd: Number
    currency: str
    issue_date: str | None
    due_date: str | None
    paid_date: str | None
    revision: int
    is_stale: bool
    credits_invoice_number: str | None
    credited_by_number: str | None
    held_elsewhere: list[HeldElsewhere]
    pdf_url: str


class InvoiceAnswer(BaseModel):
    """The invoice."""

    invoice: Invoice


class InvoiceDrafted(InvoiceAnswer):
    """The invoice, and what drafting did; `issued`: it was billed before and nothing is left."""

    outcome: Literal["made", "refreshed", "unchanged", "issued"]
    period_widened: bool


class InvoiceMoved(InvoiceAnswer):
    """The invoice after its move; a cancelled one's credit note by its number."""

    message: str
    credit_note: str | None


class InvoiceList(BaseModel):
    """Documents, newest first."""

    invoices: list[Invoice]
    next_cursor: str | None


class StatusIn(_In):
    """Where the invoice moves."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"status": "sent"}})

    status: Literal["draft", "pending", "sent", "paid", "overdue", "cancelled"]
    reason: str | None = None


class Report(BaseModel):
    """What a team or user used, bears and was billed; `total_cost_usd` is the sum of its allocations."""

    team_id: str | None = None
    user_id: str | None = None
    period_start: str
    period_end: str
    period_widened: bool
    usage_summary: UsageSummary
    allocations: list[Allocation]
    invoices: list[Invoice]
    total_cost_usd: Number
    allocations_url: str | None = None


class ReportAnswer(BaseModel):
    """The report."""

    report: Report


class ReconciliationAnswer(BaseModel):
    """What came in beside what became of it, exact decimals as text; `difference` 0 means that the books tie."""

    reconciliation: dict[str, Any]


class Health(BaseModel):
    """The server lives."""

    status: Literal["ok"]


class Ready(BaseModel):
    """The server can work: its ledger answers and has the schema it is made for."""

    status: Literal["ready"]
    schema_version: str
