"""What pages work out of the figures they are given: differences, how many decimals to show, what to leave out.

Pure and exact; a rounded figure is made only to be shown.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from chargeback.money import EXACT, exact_sum, minor_digits
from chargeback.site_views import MadeOf, MonthCost

WIDE = Context(prec=100, rounding=ROUND_HALF_UP)
SCALE = 1000
OTHER = "all others"


def comparison(now: Decimal, before: Decimal) -> dict[str, Any]:
    """The difference and its share of what was before; None where there was nothing."""
    difference = EXACT.subtract(now, before)
    if not before:
        return {"difference": difference, "percent": None}
    share = WIDE.divide(WIDE.multiply(difference, Decimal(100)), abs(before))
    return {"difference": difference, "percent": f"{WIDE.quantize(share, Decimal('0.1')):+,}%"}


def percent_of(part: Decimal, whole: Decimal) -> str:
    """The part as a percentage of the whole, for people; nothing where there is no whole."""
    if not whole:
        return ""
    share = WIDE.divide(WIDE.multiply(part, Decimal(100)), whole)
    return f"{WIDE.quantize(share, Decimal('0.1')):,}%"


def shown_places(first: Decimal, second: Decimal, currency: str) -> int:
    """How many decimals a page shows: those of money, more where all is less than a hundred."""
    size = max(abs(first), abs(second))
    least = minor_digits(currency)
    if size >= 100:
        return least
    return max(least, 4 if size >= 1 else 6)


def largest(rows: Iterable[Any], attribute: str = "cost") -> Decimal:
    """The largest size among the rows' costs."""
    return max((abs(getattr(row, attribute)) for row in rows), default=Decimal(0))


def length_of(value: Decimal, longest: Decimal) -> int:
    """How long a bar is, in thousandths of the longest."""
    return int(abs(value) * SCALE / longest) if longest else 0


def rounded(value: Decimal, places: int) -> str:
    """The value as it is shown; never a zero below zero."""
    shown = WIDE.quantize(value, Decimal(1).scaleb(-places))
    return f"{shown or abs(shown):,f}"


@dataclass(frozen=True)
class Stack:
    """A table of costs: a row per place on the axis, a column per series; every row's cells add up to its total."""

    series: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Decimal, ...]], ...]


def stack(
    costs: Iterable[tuple[str, str, Decimal]], places: Sequence[str], most_series: int = 6
) -> Stack:
    """(place, series, cost) as a table with the dearest series first; those beyond `most_series` are one column."""
    cells: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    sizes: dict[str, Decimal] = defaultdict(Decimal)
    for place, series, cost in costs:
        cells[place, series] = EXACT.add(cells[place, series], cost)
        sizes[series] += abs(cost)
    ordered = sorted(sizes, key=lambda series: (-sizes[series], series))
    shown, rest = ordered[:most_series], ordered[most_series:]
    if len(rest) == 1:
        shown, rest = ordered, []
    table = []
    for place in places:
        row = [cells.get((place, series), Decimal(0)) for series in shown]
        if rest:
            row.append(exact_sum(cells.get((place, series), Decimal(0)) for series in rest))
        table.append((place, tuple(row)))
    return Stack((*shown, *([OTHER] if rest else [])), tuple(table))


def months_of(costs: Sequence[MonthCost]) -> list[str]:
    """The calendar months from the first that has any cost to the last, as 2026-10."""
    if not costs:
        return []
    month, last = min(one.month for one in costs), max(one.month for one in costs)
    found = []
    while month <= last:
        found.append(f"{month:%Y-%m}")
        month = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return found


@dataclass(frozen=True)
class Driver:
    """What changed a total, all resource types together: an agent's direct cost, or cost a rule shares out."""

    label: str
    is_shared: bool
    cost: Decimal
    previous_cost: Decimal

    @property
    def difference(self) -> Decimal:
        """How much more than in the period before."""
        return EXACT.subtract(self.cost, self.previous_cost)


def drivers(parts: Iterable[MadeOf]) -> list[Driver]:
    """The parts by agent or rule, the largest change first; they add up to what the parts do."""
    found: dict[tuple[str, bool], list[MadeOf]] = defaultdict(list)
    for part in parts:
        label = part.rule_name or part.rule_id or part.agent_id or "calls without an agent"
        found[label, part.rule_id is not None].append(part)
    made = [
        Driver(label, is_shared, EXACT.normalize(exact_sum(one.cost for one in those)),
               EXACT.normalize(exact_sum(one.previous_cost for one in those)))
        for (label, is_shared), those in found.items()
    ]  # fmt: skip
    return sorted(made, key=lambda driver: (-abs(driver.difference), driver.label))
