"""The pages of the report site: an overview, one per team, user, document and rule version, and the list of periods.

Owns what each template is given; the markup is in `templates/`. Every value is escaped by the template engine, and
a page forbids itself everything but the site's own style and scripts. Charts are drawn from the tables behind them.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chargeback.documents import page_figures as figures
from chargeback.documents import site_names, split_words, wording
from chargeback.documents.invoice_words import title
from chargeback.money import EXACT, exact_sum
from chargeback.periods import Period
from chargeback.site_views import (
    BudgetFigures,
    InvoiceFigures,
    MadeOf,
    MonthCost,
    MonthFigures,
    PayerFigures,
    RuleFigures,
)
from chargeback.views import ReportView, SplitRow, UsageRow
from models.enums import InvoiceStatus

_TEMPLATES = Path(__file__).parent / "templates"
MOST_LINES_EXPLAINED = 100
MOST_CHANGES = 10


class Entry(NamedTuple):
    """A payer in the overview's lists: its page, and what of its report the list shows."""

    subject: str
    subject_id: str
    name: str
    team_id: str | None
    cost: Decimal
    previous_cost: Decimal
    charged_alone: Decimal
    invoice_count: int
    why: str
    made_of: tuple[MadeOf, ...] = ()
    months: tuple[MonthCost, ...] = ()


class Shelved(NamedTuple):
    """A period in the list of those held: where its overview lies, or the page of the one team that may be read."""

    period: Period
    href: str
    what: str


def entry(payer: PayerFigures) -> Entry:
    """What the overview shows of a payer; `why` names what changed its charge most."""
    report = payer.report
    alone = exact_sum(share.cost for share in report.allocations if share.team_id is None)
    return Entry(
        report.subject, report.subject_id, report.name, payer.team_id, report.total_cost,
        report.previous_total_cost, alone, len(report.invoices), why(payer.made_of, report.currency),
        payer.made_of, payer.months,
    )  # fmt: skip


def why(made_of: Sequence[Any], currency: str, most: int = 1) -> str:
    """What changed a charge most, in words; empty where nothing did."""
    changed = [one for one in figures.drivers(made_of) if one.difference][:most]
    places = figures.shown_places(Decimal(100), Decimal(0), currency)
    return "; ".join(
        f"{one.label}{' (shared)' if one.is_shared else ''} "
        f"{'+' if one.difference > 0 else ''}{figures.rounded(one.difference, places)}"
        for one in changed
    )


def overview(month: MonthFigures, entries: Sequence[Entry]) -> bytes:
    """The page that a period is entered by."""
    teams = [one for one in entries if one.subject == "team"]
    users = [one for one in entries if one.subject == "user"]
    names = {one.subject_id: one.name for one in teams}
    months = [*month.months, *(one for team in teams for one in team.months)]
    trend = figures.stack(
        [(f"{one.month:%Y-%m}", names.get(one.subject, one.subject), one.cost) for one in months],
        figures.months_of(months),
    )
    made_of = chain(month.made_of, *(team.made_of for team in teams))
    changes = [one for one in figures.drivers(made_of) if one.difference]
    return _rendered(
        "overview.html",
        root="",
        month=month,
        period=month.period,
        places=figures.shown_places(month.total, month.previous_total, month.currency),
        teams=sorted(teams, key=lambda one: (-one.cost, one.subject_id)),
        users=sorted(users, key=lambda one: (-one.cost, one.subject_id)),
        alone=exact_sum(one.charged_alone for one in users),
        trend=trend,
        changes=changes[:MOST_CHANGES],
        change_count=len(changes),
        difference_checked=exact_sum(check.difference for check in month.checks),
        **figures.comparison(month.total, month.previous_total),
    )


def payer_page(payer: PayerFigures, pdfs: Mapping[str, str], pages: frozenset[str]) -> bytes:
    """A team's or user's page; `pdfs` says where each document's PDF lies, `pages` which pages there are.

    The same figures give the same bytes. Costs are shown rounded; `data` elements hold them exact.
    """
    report = payer.report
    days = figures.stack(
        [(one.day.isoformat(), one.resource_type, one.cost) for one in payer.days],
        [day.isoformat() for day in report.period.days()],
    )
    months = figures.stack(
        [(f"{one.month:%Y-%m}", "charged", one.cost) for one in payer.months],
        figures.months_of(payer.months),
    )
    return _rendered(
        "payer.html",
        root="../",
        payer=payer,
        report=report,
        period=report.period,
        places=figures.shown_places(report.total_cost, report.usage_cost, report.currency),
        csv=site_names.payer_page(report.subject, report.subject_id).rpartition("/")[2][:-4]
        + "csv",
        pdfs={row.number: site_names.link(pdfs.get(row.number, "")) for row in report.invoices},
        pages=pages,
        days=days,
        months=months,
        drivers=figures.drivers(payer.made_of),
        members=_members(report),
        budget=payer.budget,
        over=_over_budget(payer.budget),
        because=why(payer.made_of, report.currency, 2),
        **figures.comparison(report.total_cost, report.previous_total_cost),
    )


def _over_budget(budget: BudgetFigures | None) -> Decimal:
    """What was spent beyond the budget; below zero while there is some left."""
    if budget is None or budget.amount is None:
        return Decimal(0)
    return EXACT.subtract(budget.spent, budget.amount)


class Member(NamedTuple):
    """What of a team's charge is one user's, or the team's as a whole."""

    user_id: str | None
    cost: Decimal


def _members(report: ReportView) -> list[Member]:
    """The shares of a team's charge, the dearest first; none where nothing of it is any user's."""
    users = {share.user_id for share in report.allocations}
    if report.subject != "team" or users <= {None}:
        return []
    shares = [
        Member(user, exact_sum(one.cost for one in report.allocations if one.user_id == user))
        for user in users
    ]
    return sorted(shares, key=lambda one: (one.user_id is None, -one.cost, one.user_id or ""))


def invoice_page(invoice: InvoiceFigures, pdf: str, pages: frozenset[str]) -> bytes:
    """A document's page: its lines, and for each of the first hundred the way down to usage."""
    view = invoice.invoice
    splits: dict[tuple[int, str, int], SplitRow] = {
        (split.position, split.rule_id, split.rule_version): split for split in view.splits
    }
    return _rendered(
        "invoice.html",
        root="../",
        invoice=view,
        title=title(view),
        is_cancelled=view.status is InvoiceStatus.CANCELLED,
        period=view.period,
        pdf=site_names.link(pdf),
        pages=pages,
        places=figures.shown_places(view.total, Decimal(0), view.currency),
        lineages={one.position: one for one in invoice.lineages},
        splits=splits,
        shared=split_words.together(view.splits),
        most=MOST_LINES_EXPLAINED,
    )


def rule_page(rule: RuleFigures, pages: frozenset[str]) -> bytes:
    """A rule version's page: what it took, who bears it, and the usage behind it."""
    days = figures.stack(
        [(one.day.isoformat(), one.resource_type, one.cost) for one in rule.days],
        sorted({one.day.isoformat() for one in rule.days}),
    )
    return _rendered(
        "rule.html",
        root="../",
        rule=rule,
        period=rule.period,
        pages=pages,
        days=days,
        places=figures.shown_places(rule.cost, Decimal(0), rule.currency),
    )


def shelf(shelved: Sequence[Shelved], prefix: str = "") -> bytes:
    """The list of the periods held, newest first; `prefix` leads from the page to the shared files' folder."""
    return _rendered("shelf.html", root=prefix, shelved=shelved)


def missing(prefix: str) -> bytes:
    """What a browser shows of an address that leads nowhere; `prefix` leads to the list of periods."""
    return _rendered("missing.html", root=prefix)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "day": lambda day: day.isoformat() if isinstance(day, date) else day,
        "amount": lambda value: wording.short(Decimal(value)),
        "exact": lambda value: wording.exact(Decimal(value)),
        "instant": _instant,
        "largest": figures.largest,
        "length_of": figures.length_of,
        "long_date": wording.long_date,
        "period_name": wording.period_name,
        "money": wording.money,
        "percent": wording.percent,
        "percent_of": figures.percent_of,
        "plain": lambda value: f"{Decimal(value):f}",
        "rounded": figures.rounded,
        "split_sentence": split_words.split_sentence,
        "total": lambda rows: exact_sum(row.cost for row in rows),
    }
    environment.globals |= {
        "assets": {use: asset.name for use, asset in site_names.assets().items()},
        "empty_hash": site_names.empty_hash(),
        "own_styles": site_names.own_styles(),
        "comparison": figures.comparison,
        "payer_href": site_names.payer_page,
        "invoice_href": site_names.invoice_page,
        "rule_href": site_names.rule_page,
        "unit_cost": _unit_cost,
        "per_record": _per_record,
        "exact_sum": exact_sum,
    }
    return environment


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _unit_cost(row: UsageRow, currency: str) -> str:
    """What a thousand units cost, or one where that is dear; nothing where there is no quantity."""
    if not row.quantity:
        return ""
    price = figures.WIDE.divide(row.cost, row.quantity)
    many = abs(price) < Decimal("0.01")
    shown = wording.unit_price(price * 1000 if many else price, currency)
    return f"{shown or '0'} per {'1,000 ' if many else ''}{row.unit}".rstrip() if row.unit else ""


def _per_record(row: UsageRow, currency: str) -> str:
    """What one record cost on average."""
    if not row.record_count:
        return ""
    return wording.unit_price(figures.WIDE.divide(row.cost, Decimal(row.record_count)), currency)


def _rendered(template: str, **values: Any) -> bytes:
    return _environment().get_template(template).render(**values).encode("utf-8", "replace")
