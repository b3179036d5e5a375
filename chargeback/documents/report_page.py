"""Reports as plain pages: one file each, readable in any browser, with nothing to load and no script.

Owns what the pages show and the picture of the days; the markup is in `templates/`. Every value is
escaped by the template engine, and the pages forbid themselves everything but their own style.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chargeback.documents import wording
from chargeback.money import EXACT, exact_sum, minor_digits
from chargeback.periods import Period
from chargeback.views import ReportView, UnattributedView

_TEMPLATES = Path(__file__).parent / "templates"
_TITLES = {"team": "Teams", "user": "Users"}
_SCALE = 1000
_WIDE = Context(prec=100, rounding=ROUND_HALF_UP)


class Bar(NamedTuple):
    """A day in the picture, in thousandths of its height, counted from the top."""

    top: int
    height: int
    is_negative: bool


def page(report: ReportView, documents: Mapping[str, str]) -> bytes:
    """The report as an HTML page; `documents` gives the address of each invoice number's file.

    The same view gives the same bytes. Costs are shown rounded; `data` elements hold them exact.
    """
    costs = {row.key: row.cost for row in report.by_day}
    bars, axis = picture([costs.get(day.isoformat(), Decimal(0)) for day in report.period.days()])
    return _rendered(
        "report.html",
        report=report,
        places=shown_places(report.total_cost, report.usage_cost, report.currency),
        links={row.number: link(documents.get(row.number, "")) for row in report.invoices},
        bars=bars,
        axis=axis,
        **_comparison(report.total_cost, report.previous_total_cost),
    )


def overview(
    period: Period,
    reports: Sequence[tuple[str, str, ReportView]],
    unowned: UnattributedView | None = None,
) -> bytes:
    """A page that lists (label, address, report) of a period, with totals of teams and of users.

    With `unowned` it also tells what nobody owns, and the owners to name.
    """
    ordered = sorted(reports, key=lambda entry: (entry[2].subject, -entry[2].total_cost, entry[0]))
    groups = [
        _group(subject, list(entries))
        for subject, entries in groupby(ordered, key=lambda entry: entry[2].subject)
    ]
    return _rendered(
        "overview.html",
        period=period,
        groups=groups,
        unowned=unowned if unowned and unowned.groups else None,
        unowned_places=shown_places(unowned.cost, unowned.whole, unowned.currency)
        if unowned
        else 2,
    )


def _group(subject: str, entries: Sequence[tuple[str, str, ReportView]]) -> dict[str, Any]:
    reports = [report for _, _, report in entries]
    total = exact_sum(report.total_cost for report in reports)
    before = exact_sum(report.previous_total_cost for report in reports)
    return {
        "title": _TITLES.get(subject, subject),
        "heading": subject.capitalize(),
        "currency": reports[0].currency,
        "places": shown_places(total, before, reports[0].currency),
        "largest": largest(reports, "total_cost"),
        "total": total,
        "invoice_count": sum(len(report.invoices) for report in reports),
        "rows": [_entry(label, link(href), report) for label, href, report in entries],
        **_comparison(total, before),
    }


def _entry(label: str, href: str, report: ReportView) -> dict[str, Any]:
    return {
        "label": label,
        "href": href,
        "total_cost": report.total_cost,
        "invoice_count": len(report.invoices),
        **_comparison(report.total_cost, report.previous_total_cost),
    }


def _comparison(now: Decimal, before: Decimal) -> dict[str, Any]:
    """The difference and its share of what was before; None where there was nothing."""
    difference = EXACT.subtract(now, before)
    if not before:
        return {"difference": difference, "percent": None}
    share = _WIDE.divide(_WIDE.multiply(difference, Decimal(100)), abs(before))
    return {"difference": difference, "percent": f"{_WIDE.quantize(share, Decimal('0.1')):+,}%"}


def shown_places(first: Decimal, second: Decimal, currency: str) -> int:
    """How many decimals a page shows: those of money, more where all is less than a hundred."""
    size = max(abs(first), abs(second))
    least = minor_digits(currency)
    if size >= 100:
        return least
    return max(least, 4 if size >= 1 else 6)


def picture(costs: Sequence[Decimal]) -> tuple[list[Bar], int]:
    """A bar for each cost and where their axis lies; what is below zero hangs from the axis."""
    highest, lowest = max([Decimal(0), *costs]), min([Decimal(0), *costs])
    span = highest - lowest
    if not span:
        return [Bar(_SCALE, 0, False) for _ in costs], _SCALE
    axis = int(highest * _SCALE / span)
    bars = []
    for cost in costs:
        height = int(abs(cost) * _SCALE / span)
        bars.append(Bar(axis if cost < 0 else axis - height, height, cost < 0))
    return bars, axis


def link(href: str) -> str:
    """An address that may be linked: a relative one; empty for any that names a scheme or host."""
    try:
        parts = urlsplit(href)
    except ValueError:
        return ""
    return "" if parts.scheme or parts.netloc or href.startswith(("/", "\\")) else href


def largest(rows: Iterable[Any], attribute: str = "cost") -> Decimal:
    """The largest size among the rows' costs."""
    return max((abs(getattr(row, attribute)) for row in rows), default=Decimal(0))


def _length_of(value: Decimal, largest: Decimal) -> int:
    return int(abs(value) * _SCALE / largest) if largest else 0


def _rounded(value: Decimal, places: int) -> str:
    shown = _WIDE.quantize(value, Decimal(1).scaleb(-places))
    return f"{shown or abs(shown):,f}"


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
        "exact": lambda value: wording.exact(Decimal(value)),
        "largest": largest,
        "length_of": _length_of,
        "long_date": wording.long_date,
        "long_period": wording.long_period,
        "money": wording.money,
        "plain": lambda value: f"{Decimal(value):f}",
        "rounded": _rounded,
        "total": lambda rows: exact_sum(row.cost for row in rows),
    }
    style = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    environment.globals |= {"style": style, "style_hash": f"sha256-{digest}"}
    return environment


def _rendered(template: str, **values: Any) -> bytes:
    return _environment().get_template(template).render(**values).encode("utf-8", "replace")
