"""Invoices and reports to draw, small enough to check by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from chargeback.attribution import OwnerWanted, Unowned
from chargeback.documents.letterhead import Letterhead
from chargeback.lineage import RulePart
from chargeback.periods import Period
from chargeback.site_views import (
    Borne,
    DayCost,
    InvoiceFigures,
    Lineage,
    MadeOf,
    MonthCost,
    MonthFigures,
    PayerFigures,
    RuleFigures,
    SourceCheck,
    SourceCost,
    UsedCell,
    UsedRecord,
)
from chargeback.views import (
    AdjustmentRow,
    AllocationRow,
    AnnexRow,
    BillTo,
    InvoiceRow,
    InvoiceView,
    LineView,
    ReportView,
    SplitRow,
    UnattributedView,
    UsageRow,
)
from models.enums import DocumentKind, InvoiceStatus, LineKind, OwnedKind, RuleType, Scope

OCTOBER = Period.month("2026-10")
LETTERHEAD = Letterhead("Acme Platform", ("Herengracht 100", "1015 BS Amsterdam"), "pay@acme.test")

# What people call their teams, and what people who mean harm do.
HOSTILE_NAMES = (
    "R&D <Platform> Team",
    '<img src="/etc/passwd">',
    "<script>alert(1)</script>",
    '<a href="javascript:alert(1)">pay</a>',
    "</para></font> <unclosed",
    "&lt;already&gt; &amp; escaped",
    "=SUM(A1:A9)",
    "@import",
    "+cmd|' /C calc'!A0",
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    "(parentheses) \\ back ) slash (",
    "'; DROP TABLE invoices; --",
)
UNICODE_NAMES = (
    "Žluťoučký kůň",
    "Ελληνική ομάδα",
    "Команда поиска",
    "検索チーム",
    "搜索團隊",
    "검색 팀",
    "नमस्ते",
    "ทีมค้นหา",
    "Հայերեն",
    "ქართული",
    "አማርኛ",
    "🚀",
    "👩\u200d💻",
)


def make_line(position: int = 1, amount: str = "12.35", **given: Any) -> LineView:
    values: dict[str, Any] = {
        "position": position,
        "kind": LineKind.USAGE,
        "description": "LLM tokens",
        "resource_type": "llm_tokens",
        "unit": "tokens",
        "quantity": Decimal(1000),
        "exact": Decimal(amount),
        "amount": Decimal(amount),
    }
    return LineView(**values | given)


def make_invoice(*lines: LineView, tax_rate: str = "0.20", **given: Any) -> InvoiceView:
    drawn = lines or (make_line(),)
    subtotal = sum((line.amount for line in drawn), Decimal(0))
    exact_total = sum((line.exact for line in drawn), Decimal(0))
    tax = (subtotal * Decimal(tax_rate)).quantize(Decimal("0.01"))
    values: dict[str, Any] = {
        "invoice_id": "5f0c1a52-0000-0000-0000-000000000001",
        "kind": DocumentKind.INVOICE,
        "number": "INV-20261101-0001",
        "revision": 1,
        "status": InvoiceStatus.SENT,
        "scope": Scope.TEAM,
        "team_id": "team-search",
        "user_id": None,
        "bill_to": BillTo("team-search", "Search", "CC-4410", "finance@acme.test"),
        "period": OCTOBER,
        "issue_date": date(2026, 11, 1),
        "due_date": date(2026, 12, 1),
        "paid_date": None,
        "currency": "USD",
        "lines": drawn,
        "exact_total": exact_total,
        "subtotal": subtotal,
        "rounding_difference": subtotal - exact_total,
        "tax_rate": Decimal(tax_rate),
        "tax": tax,
        "total": subtotal + tax,
        "is_stale": False,
        "credits_number": None,
        "credited_by_number": None,
        "held_elsewhere": (),
        "annex": (),
    }
    return InvoiceView(**values | given)


def named(name: str) -> InvoiceView:
    """An invoice that says `name` wherever a name can stand."""
    return make_invoice(
        make_line(description=name, unit=name),
        bill_to=BillTo(name, name, name, name),
        annex=(AnnexRow(name, name, name, name, Decimal(1), Decimal(1)),),
    )


def make_annex_row(user: str | None, agent: str | None, cost: str) -> AnnexRow:
    return AnnexRow(user, agent, "llm_tokens", "tokens", Decimal(10), Decimal(cost))


def make_report(**given: Any) -> ReportView:
    """A team that used 30.000000000000000001 in October, bears 25 of it and bore 20 before."""
    values: dict[str, Any] = {
        "subject": "team",
        "subject_id": "team-search",
        "name": "Search",
        "period": OCTOBER,
        "currency": "USD",
        "usage_cost": Decimal("30.000000000000000001"),
        "usage_quantity": Decimal(1500),
        "record_count": 7,
        "by_resource_type": (
            UsageRow("llm_tokens", Decimal("20.000000000000000001"), Decimal(1000), 4),
            UsageRow("storage", Decimal(10), Decimal(500), 3),
        ),
        "by_agent": (UsageRow("agent-a", Decimal("30.000000000000000001"), Decimal(1500), 7),),
        "by_day": (
            UsageRow("2026-10-01", Decimal(10), Decimal(500), 3),
            UsageRow("2026-10-31", Decimal("20.000000000000000001"), Decimal(1000), 4),
        ),
        "allocations": (
            make_share("by-usage", "30"),
            make_share("credit", "-5.00"),
        ),
        "invoices": (make_listed(),),
        "total_cost": Decimal("25.00"),
        "previous_period": Period.month("2026-09"),
        "previous_total_cost": Decimal(20),
    }
    return ReportView(**values | given)


def make_share(rule_id: str, cost: str) -> AllocationRow:
    return AllocationRow(
        rule_id, 2, "team-search", None, "llm_tokens", "tokens", Decimal(cost), Decimal(1000)
    )


def make_listed(**given: Any) -> InvoiceRow:
    row = InvoiceRow(
        invoice_id="5f0c1a52-0000-0000-0000-000000000001",
        kind=DocumentKind.INVOICE,
        number="INV-20261101-0001",
        scope=Scope.TEAM,
        team_id="team-search",
        user_id=None,
        period=OCTOBER,
        status=InvoiceStatus.SENT,
        is_stale=False,
        issue_date=date(2026, 11, 1),
        due_date=date(2026, 12, 1),
        total=Decimal("25.00"),
        currency="USD",
    )
    return replace(row, **given)


LATE = AdjustmentRow(
    "INV-20261101-0001",
    "Correction for 2026-09: llm_tokens, billed on INV-20261001-0001; its usage changed since",
    "llm_tokens",
    "tokens",
    Decimal(-10),
    Decimal("-1.005"),
    Decimal("-1.01"),
)

EQUAL = SplitRow(
    1, "gateway", 1, "The gateway", RuleType.EQUAL_SPLIT, Decimal("411.18988"), Decimal("37.380898181818181821"), 11
)  # fmt: skip


def make_split(rule_type: RuleType, shared: str, cost: str, **given: Any) -> SplitRow:
    row = SplitRow(1, "shared", 2, "The cluster", rule_type, Decimal(shared), Decimal(cost), 3)
    return replace(row, **given)


def make_payer(report: ReportView | None = None, **given: Any) -> PayerFigures:
    """A team whose 25 is 30 of an agent and -5 of a shared credit; before it was 20 of the agent."""
    values: dict[str, Any] = {
        "report": report or make_report(),
        "team_id": "team-search",
        "made_of": (
            MadeOf("agent-a", None, None, "llm_tokens", Decimal(30), Decimal(20)),
            MadeOf(None, "credit", "A credit for all", "llm_tokens", Decimal(-5), Decimal(0)),
        ),
        "days": (
            DayCost(date(2026, 10, 1), "llm_tokens", Decimal(15)),
            DayCost(date(2026, 10, 31), "llm_tokens", Decimal(10)),
        ),
        "months": (
            MonthCost(date(2026, 9, 1), "team-search", Decimal(20)),
            MonthCost(date(2026, 10, 1), "team-search", Decimal(25)),
        ),
    }
    return PayerFigures(**values | given)


def make_month(**given: Any) -> MonthFigures:
    """28.5 in all: 25 of a team and 3.5 without owner; before it was 20."""
    values: dict[str, Any] = {
        "period": OCTOBER,
        "currency": "USD",
        "total": Decimal("28.5"),
        "previous_total": Decimal(20),
        "sources": (SourceCost("tracker", Decimal("28.5"), Decimal(20)),),
        "made_of": make_payer().made_of,
        "months": make_payer().months,
        "checks": (SourceCheck("tracker", Decimal("28.5"), Decimal("28.5"), Decimal(0), Decimal(25), Decimal("3.5"),
                               Decimal(0), Decimal(0)),),
        "unowned": make_unowned(),
    }  # fmt: skip
    return MonthFigures(**values | given)


def make_unowned(**given: Any) -> UnattributedView:
    """3.5 of 28.5 has no owner: 3 of agent <b>, 0.5 without a name."""
    day = date(2026, 10, 5)
    values: dict[str, Any] = {
        "period": OCTOBER, "currency": "USD", "cost": Decimal("3.5"), "whole": Decimal("28.5"), "record_count": 3,
        "keyless": Decimal("0.5"), "teamless": Decimal(0), "billed_team": None,
        "groups": (Unowned("tracker", None, None, "<b>", Decimal(3), 2, day, day),),
        "owners": (OwnerWanted(OwnedKind.AGENT, "<b>", Decimal(3), 2, day, day),),
    }  # fmt: skip
    return UnattributedView(**values | given)


def make_invoice_figures(name: str = "agent-a", lines: int = 1) -> InvoiceFigures:
    """An invoice whose lines each lead to one record of 12.35 by way of two rule versions."""
    at = datetime(2026, 10, 5, 9, 30, tzinfo=UTC)
    record = UsedRecord(
        name, 1, at, name, name, name, name, "llm_tokens", "tokens", Decimal(1000), Decimal("12.35")
    )
    day = date(2026, 10, 5)
    cell = UsedCell(name, name, name, name, day, day, 1, Decimal(1000), Decimal("12.35"))
    parts = tuple(
        RulePart(rule, 1, name, "by_usage", 1, name, "usage", rule == "gateway", False, day, day, 1, 4, None,
                 Decimal("6.175"), Decimal(500))
        for rule in ("by_usage", "gateway")
    )  # fmt: skip
    made = [Lineage(at + 1, parts, (cell,), 1, 1, (record,)) for at in range(lines)]
    drawn = make_invoice(
        *(make_line(at + 1, description=f"{name} {at + 1}") for at in range(lines)),
        splits=(replace(EQUAL, rule_name=name),),
    )
    return InvoiceFigures(drawn, tuple(made))


def make_rule(name: str = "The gateway") -> RuleFigures:
    """A rule version that shared out 10.5 of one agent, 60 to 40."""
    invoice = make_invoice_figures(name)
    return RuleFigures(
        3, "gateway", 1, name, name, RuleType.FIXED_SPLIT, (("Usage through agents", name),), OCTOBER, "USD",
        Decimal("10.5"), (DayCost(date(2026, 10, 5), name, Decimal("10.5")),),
        (Borne("a", None, Decimal("6.3"), Decimal(6)), Borne(name, "u", Decimal("4.2"), Decimal(4))),
        invoice.lineages[0].cells, 1, invoice.lineages[0].records,
    )  # fmt: skip
