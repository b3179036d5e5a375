"""What the pages of the report site show, as plain immutable values.

Owns the shapes only; `views` has those that other documents show too.
Units: `cost` unrounded in the ledger's currency.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from chargeback.lineage import RulePart
from chargeback.money import EXACT
from chargeback.periods import Period
from chargeback.views import InvoiceView, ReportView, UnattributedView
from models.enums import RuleType


@dataclass(frozen=True)
class MadeOf:
    """A part of what is charged: of one agent directly, or of a rule that shares cost out; and what it was before.

    With neither `agent_id` nor `rule_id` it is direct cost without an agent.
    """

    agent_id: str | None
    rule_id: str | None
    rule_name: str | None
    resource_type: str
    cost: Decimal
    previous_cost: Decimal

    @property
    def difference(self) -> Decimal:
        """How much more than in the period before."""
        return EXACT.subtract(self.cost, self.previous_cost)


@dataclass(frozen=True)
class DayCost:
    """What one day adds to the charge, of one resource type."""

    day: date
    resource_type: str
    cost: Decimal


@dataclass(frozen=True)
class MonthCost:
    """What a calendar month came to, up to the period's end; `subject` is a payer's id, or who bears it in words."""

    month: date
    subject: str
    cost: Decimal


@dataclass(frozen=True)
class SourceCost:
    """What one source's usage came to, now and in the period before."""

    source: str
    cost: Decimal
    previous_cost: Decimal


@dataclass(frozen=True)
class SourceCheck:
    """Where everything went that a source delivered for the period; exact, and `difference` is 0 or the books break."""

    source: str
    received: Decimal
    ledger: Decimal
    refused: Decimal
    invoiced: Decimal
    unattributed: Decimal
    open: Decimal
    difference: Decimal


@dataclass(frozen=True)
class BudgetFigures:
    """A team's budget of a month (None: it has none), what is spent, and what the month is expected to come to.

    `as_of` is the first day that is not over; `forecast` is None where the month is, or where too little is known.
    """

    as_of: date
    amount: Decimal | None
    spent: Decimal
    forecast: Decimal | None


@dataclass(frozen=True)
class PayerFigures:
    """A team's or user's page: its report, what the charge is made of, and how it came to be day by day.

    `team_id` is the one team all of it concerns, if there is one: whose viewers may read the page.
    """

    report: ReportView
    team_id: str | None
    made_of: tuple[MadeOf, ...]
    days: tuple[DayCost, ...]
    months: tuple[MonthCost, ...]
    names: dict[str, str] = field(default_factory=dict)
    budget: BudgetFigures | None = None


@dataclass(frozen=True)
class MonthFigures:
    """The overview's own figures: everything of the period, whoever bears it.

    Only `made_of` and `months` are of what no team bears; what teams bear is theirs to tell.
    """

    period: Period
    currency: str
    total: Decimal
    previous_total: Decimal
    sources: tuple[SourceCost, ...]
    made_of: tuple[MadeOf, ...]
    months: tuple[MonthCost, ...]
    checks: tuple[SourceCheck, ...]
    unowned: UnattributedView


@dataclass(frozen=True)
class UsedCell:
    """Usage that a line bills directly: of one agent, model and user at one source."""

    source: str
    agent_id: str | None
    sku: str | None
    user_id: str | None
    first: date
    last: date
    record_count: int
    quantity: Decimal
    cost: Decimal


@dataclass(frozen=True)
class UsedRecord:
    """A usage record as its tracker named it; `record_count` -1 takes an earlier one back."""

    external_id: str
    revision: int
    usage_at: datetime
    source: str
    agent_id: str | None
    sku: str | None
    user_id: str | None
    resource_type: str
    unit: str
    quantity: Decimal
    cost: Decimal


@dataclass(frozen=True)
class Lineage:
    """The way down from a line: rule versions, cells (the largest), records (the first of them).

    `cell_count` and `record_count` say how many there are of the line's own usage in all.
    """

    position: int
    parts: tuple[RulePart, ...]
    cells: tuple[UsedCell, ...]
    cell_count: int
    record_count: int
    records: tuple[UsedRecord, ...]


@dataclass(frozen=True)
class InvoiceFigures:
    """A document's page: the document, and the way down from each of its lines."""

    invoice: InvoiceView
    lineages: tuple[Lineage, ...]


@dataclass(frozen=True)
class Borne:
    """What one payer bears of what a rule version shared out."""

    team_id: str | None
    user_id: str | None
    cost: Decimal
    quantity: Decimal


@dataclass(frozen=True)
class RuleFigures:
    """A rule version's page: what it took in the period, who bears it, and the usage behind it."""

    rule_key: int
    rule_id: str
    version: int
    name: str
    description: str
    rule_type: RuleType
    criteria: tuple[tuple[str, str], ...]
    period: Period
    currency: str
    cost: Decimal
    days: tuple[DayCost, ...]
    payers: tuple[Borne, ...]
    cells: tuple[UsedCell, ...]
    cell_count: int
    records: tuple[UsedRecord, ...]
