"""What the OpenAPI document says of allocations, invoices and reports."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from entrypoints.api.shapes import Id, In, Number, When
from entrypoints.api.usage_shapes import UsageSummary


class AllocateIn(In):
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


class InvoiceIn(In):
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


class StatusIn(In):
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
