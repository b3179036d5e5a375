"""What the ledger hands to whoever draws it: invoices and reports as plain immutable values.

Owns the shapes only. The ledger fills them, documents, the CLI and the artifacts show them.
Units: amounts in the document's currency; `exact` and `cost` unrounded, the others as printed.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal

from chargeback.attribution import OwnerWanted, Unowned
from chargeback.money import exact_sum
from chargeback.periods import Period
from models.enums import DocumentKind, InvoiceStatus, LineCause, LineKind, RuleType, Scope

# An amount of 20 digits per 10⁻¹⁸ units still has a price.
_PRICE = Context(prec=80)
_PRICE_UNIT = Decimal(1).scaleb(-18)


@dataclass(frozen=True)
class BillTo:
    """Who pays, as written on the document when it was made; None where the payer has none."""

    id: str | None
    name: str
    cost_center: str | None
    contact: str | None


@dataclass(frozen=True)
class LineView:
    """One line of a document: what it is for, how much, and what it costs exactly and as printed."""

    position: int
    kind: LineKind
    description: str
    resource_type: str
    unit: str
    quantity: Decimal
    exact: Decimal
    amount: Decimal
    cause: LineCause = LineCause.USAGE

    @property
    def unit_price(self) -> Decimal:
        """Printed amount per unit at 18 decimals; 0 where there is no quantity."""
        if not self.quantity:
            return Decimal(0)
        return _PRICE.divide(self.amount, self.quantity).quantize(_PRICE_UNIT, context=_PRICE)


@dataclass(frozen=True)
class AnnexRow:
    """What one user through one agent adds to a document, unrounded; `is_shared`: as a part of shared cost."""

    user_id: str | None
    agent_id: str | None
    resource_type: str
    unit: str
    quantity: Decimal
    cost: Decimal
    is_shared: bool = False


@dataclass(frozen=True)
class SplitRow:
    """How one rule version shared out what a line bills a part of.

    Units: `shared` what was divided in all, `cost` this payer's part of it, both unrounded; `payers` the most who
    share one day's. `weight` of `weights` is this payer's part where it was the same every day, else both are None.
    """

    position: int
    rule_id: str
    rule_version: int
    rule_name: str
    rule_type: RuleType
    shared: Decimal
    cost: Decimal
    payers: int
    weight: Decimal | None = None
    weights: Decimal | None = None


@dataclass(frozen=True)
class InvoiceView:
    """A whole invoice or credit note."""

    invoice_id: str
    kind: DocumentKind
    number: str
    revision: int
    status: InvoiceStatus
    scope: Scope
    team_id: str | None
    user_id: str | None
    bill_to: BillTo
    period: Period
    issue_date: date
    due_date: date
    paid_date: date | None
    currency: str
    lines: tuple[LineView, ...]
    exact_total: Decimal
    subtotal: Decimal
    rounding_difference: Decimal
    tax_rate: Decimal
    tax: Decimal
    total: Decimal
    is_stale: bool
    credits_number: str | None
    credited_by_number: str | None
    held_elsewhere: tuple[tuple[str, Decimal], ...]
    annex: tuple[AnnexRow, ...]
    splits: tuple[SplitRow, ...] = ()


@dataclass(frozen=True)
class UsageRow:
    """Usage of a period under one key (a resource type, an agent, a model, a day).

    Units: `quantity` in `unit`, where all of it has one.
    """

    key: str
    cost: Decimal
    quantity: Decimal
    record_count: int
    unit: str = ""


@dataclass(frozen=True)
class AllocationRow:
    """What one payer bears of a period under one rule version."""

    rule_id: str
    rule_version: int
    team_id: str | None
    user_id: str | None
    resource_type: str
    unit: str
    cost: Decimal
    quantity: Decimal


@dataclass(frozen=True)
class AdjustmentRow:
    """A line of a document that bills no usage of its period: late, corrected or shared anew; `amount` as printed."""

    number: str
    description: str
    resource_type: str
    unit: str
    quantity: Decimal
    exact: Decimal
    amount: Decimal


@dataclass(frozen=True)
class InvoiceRow:
    """A document in a list."""

    invoice_id: str
    kind: DocumentKind
    number: str
    scope: Scope
    team_id: str | None
    user_id: str | None
    period: Period
    status: InvoiceStatus
    is_stale: bool
    issue_date: date
    due_date: date
    total: Decimal
    currency: str


@dataclass(frozen=True)
class PostedLine:
    """A line of an issued document as finance posts it; `late_month` begins the month of late usage."""

    position: int
    description: str
    resource_type: str
    unit: str
    team_id: str | None
    late_month: date | None
    quantity: Decimal
    exact: Decimal
    amount: Decimal


@dataclass(frozen=True)
class PostedDocument:
    """An issued invoice or credit note as finance posts it; a credit note's amounts are below zero."""

    kind: DocumentKind
    number: str
    status: InvoiceStatus
    payer_id: str | None
    payer: str
    cost_center: str | None
    period: Period
    issue_date: date
    due_date: date
    currency: str
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    credits_number: str | None
    lines: tuple[PostedLine, ...]

    @property
    def title(self) -> str:
        """What the document is, in words."""
        return "Credit note" if self.kind is DocumentKind.CREDIT_NOTE else "Invoice"


@dataclass(frozen=True)
class ChargeRow:
    """What one payer bears of one day, source and rule version; `number` is the issued document it is on.

    Units: `cost` exact in the ledger's currency, `quantity` in `unit`.
    """

    usage_date: date
    source: str
    rule_id: str
    rule_version: int
    rule_name: str
    team_id: str | None
    user_id: str | None
    payer_name: str
    resource_type: str
    unit: str
    number: str | None
    cost: Decimal
    quantity: Decimal


@dataclass(frozen=True)
class ReportView:
    """A team's or user's month: what it used, what it bears, what it was billed."""

    subject: str
    subject_id: str
    name: str
    period: Period
    currency: str
    usage_cost: Decimal
    usage_quantity: Decimal
    record_count: int
    by_resource_type: tuple[UsageRow, ...]
    by_agent: tuple[UsageRow, ...]
    by_day: tuple[UsageRow, ...]
    allocations: tuple[AllocationRow, ...]
    invoices: tuple[InvoiceRow, ...]
    total_cost: Decimal
    previous_period: Period
    previous_total_cost: Decimal
    adjustments: tuple[AdjustmentRow, ...] = ()
    by_model: tuple[UsageRow, ...] = ()
    by_unit: tuple[UsageRow, ...] = ()


@dataclass(frozen=True)
class UnattributedView:
    """Cost of a period that nobody owns: `cost` of the period's `whole`, by what it bears, and the owners to name.

    `keyless` bears nothing an owner could be named for; `teamless` is of users in no team, who bear it alone.
    `groups` are the largest, `owners` clear nine tenths of what owners can clear. `billed_team` pays for it, if any.
    """

    period: Period
    currency: str
    cost: Decimal
    whole: Decimal
    record_count: int
    keyless: Decimal
    teamless: Decimal
    groups: tuple[Unowned, ...]
    owners: tuple[OwnerWanted, ...]
    billed_team: str | None

    @property
    def cleared(self) -> Decimal:
        """What naming all of `owners` clears."""
        return exact_sum(owner.cost for owner in self.owners)
