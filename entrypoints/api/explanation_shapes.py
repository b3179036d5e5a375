"""What the OpenAPI document says of lines explained, and of who bears a record."""

from typing import Literal

from pydantic import BaseModel

from entrypoints.api.billing_shapes import LineItem
from entrypoints.api.shapes import Number
from entrypoints.api.usage_shapes import ListedRecord

Status = Literal["draft", "pending", "sent", "paid", "overdue", "cancelled"]


class CameFrom(BaseModel):
    """What an earlier stage gave a team, and was passed on."""

    rule_id: str
    rule_version: int
    team_id: str | None
    cost_usd: Number


class RulePart(BaseModel):
    """What one rule version gives the line; `pool_cost_usd` what its pools come to for everybody, null to a viewer."""

    rule_id: str
    rule_version: int
    rule_name: str
    rule_type: str
    stage: int
    source: str
    kind: Literal["usage", "reversal", "replacement"]
    is_reallocated: bool
    first_day: str
    last_day: str
    pools: int
    allocations: int
    pool_cost_usd: Number | None
    cost_usd: Number
    quantity: Number
    remarks: list[str]
    came_from: list[CameFrom]


class LineExplanation(LineItem):
    """A line with the rules it comes from, which add up to `exact_cost_usd`."""

    invoice_number: str
    kind: Literal["invoice", "credit_note"]
    status: Status
    position: int
    cause: Literal["usage", "correction", "reallocation"]
    late_month: str | None
    credits_invoice_number: str | None
    exact_cost_usd: Number
    rules: list[RulePart]
    allocations_url: str
    usage_url: str


class LineAnswer(BaseModel):
    """The line, explained."""

    line: LineExplanation


class LineAllocation(BaseModel):
    """A payer's share of one day's pool; `weight` is what it was divided by, null where nothing was divided."""

    allocation_id: int
    usage_date: str
    source: str
    rule_id: str
    rule_version: int
    rule_type: str
    kind: Literal["usage", "reversal", "replacement"]
    team_id: str | None
    user_id: str | None
    resource_type: str
    unit: str
    cost_usd: Number
    quantity: Number
    weight: Number | None
    pool_cost_usd: Number | None
    remark: str | None


class LineAllocations(BaseModel):
    """The allocations that a line claims."""

    allocations: list[LineAllocation]
    next_cursor: str | None


class BorneRecord(ListedRecord):
    """A usage record and what the line bears of its cost; below 0 where the line takes it back."""

    borne_usd: Number


class LineUsage(BaseModel):
    """The usage records behind a line."""

    usage: list[BorneRecord]
    next_cursor: str | None


class Bearer(BaseModel):
    """Who bears a part of a revision, and on which line; without a line it is on no document."""

    revision: int
    allocation_id: int
    rule_id: str
    rule_version: int
    rule_type: str
    team_id: str | None
    user_id: str | None
    cause: Literal["usage", "correction", "reallocation", "credit"]
    cost_usd: Number
    invoice_number: str | None
    position: int | None
    description: str | None
    status: Status | None
    is_current: bool
    is_written_off: bool


class BearersAnswer(BaseModel):
    """A usage record in all its revisions, and who bears them; `unallocated_usd` lies in no cost pool yet."""

    revisions: list[ListedRecord]
    cost_usd: Number
    unallocated_usd: Number
    bearers: list[Bearer]
