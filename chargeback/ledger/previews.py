"""What a change would move: how much unfrozen cost, in how many days, from whom to whom.

Owns looking before the leap: the change and the allocation of the days it touches are done in a `rehearsal`
and undone. What is frozen never moves, so days that are billed whole are not looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.ledger.allocation import allocate_days, days_to_allocate, mark_clean
from chargeback.ledger.database import rehearsal
from chargeback.ledger.invoices import plain
from chargeback.ledger.pools import lock_drafts
from chargeback.ledger.rulebook import kept_rules

MOST_CELLS = 200_000
"""Of days with more cells than this the most that can move is told, not what does: that takes too long to wait for."""


@dataclass(frozen=True)
class Moved:
    """What one payer bears of the days in which something moves, before and after; exact.

    Without team and user: unattributed, or, where `is_allocated` is False, in no cost pool yet.
    """

    team_id: str | None
    user_id: str | None
    is_allocated: bool
    before: Decimal
    after: Decimal

    @property
    def difference(self) -> Decimal:
        """What the payer bears more."""
        return money.EXACT.subtract(self.after, self.before)


@dataclass(frozen=True)
class Taken:
    """What a new version of a rule takes of unfrozen cost, in how many days."""

    rule_id: str
    cost: Decimal
    days: int


@dataclass(frozen=True)
class Preview:
    """What a change moves: `cost` in `days`, and what each payer bears of them before and after.

    Where `is_at_most` the touched days have more than `MOST_CELLS` cells: then `cost` and `days` are all that
    nobody was billed for on them, the most that can move, and nobody is named.
    """

    days: int
    cost: Decimal
    payers: tuple[Moved, ...] = ()
    taken: tuple[Taken, ...] = ()
    is_at_most: bool = False


def preview(change: Callable[[Connection], object], most_cells: int = MOST_CELLS) -> Preview:
    """What `change` moves once the days it touches are allocated; nothing of it stays.

    Days that wait to be allocated anyway are brought up to date first, so that only the change is seen.
    """
    with rehearsal() as connection:
        waiting = days_to_allocate(connection, date.min, date.max)
        touched = _touched(connection, waiting, change)
        unbilled = {row.usage_date: row for row in connection.execute(_UNBILLED, {"days": touched})}
        days = [day for day in touched if day in unbilled]
        if sum(unbilled[day].cells for day in days) > most_cells:
            cost = money.exact_sum(unbilled[day].cost for day in days)
            return Preview(len(days), plain(cost), is_at_most=True)
        _lock(connection, days)
        _allocate(connection, [day for day in days if day in set(waiting)])
        before = borne(connection, days)
        newest = connection.execute(text("SELECT max(rule_key) FROM allocation_rules")).scalar_one()
        change(connection)
        _allocate(connection, days)
        return _compared(before, borne(connection, days), taken(connection, newest))


def allocation_preview(start: date, end: date) -> Preview:
    """What allocating the days in `start <= day < end` moves: from no pool, or from those it replaces."""
    with rehearsal() as connection:
        days = days_to_allocate(connection, start, end)
        before = borne(connection, days)
        _allocate(connection, days)
        return _compared(before, borne(connection, days), ())


def _touched(
    connection: Connection, waiting: Sequence[date], change: Callable[[Connection], object]
) -> list[date]:
    """The days that `change` makes be allocated anew, those that wait already left aside; undone at once."""
    undone = connection.begin_nested()
    mark_clean(connection, waiting, kept_rules(connection))
    change(connection)
    touched = days_to_allocate(connection, date.min, date.max)
    undone.rollback()
    return touched


# What nobody was billed for can still move: allocations on no document beyond draft, and cells in no pool.
_UNBILLED = text("""
    SELECT usage_date, sum(cost) AS cost,
        (SELECT count(*) FROM usage_cells c WHERE c.usage_date = unbilled.usage_date) AS cells
    FROM (SELECT a.usage_date, a.cost FROM allocations a JOIN cost_pools p USING (pool_id)
          WHERE p.usage_date = ANY (:days) AND p.retired_at IS NULL
            AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)
            AND NOT EXISTS (
                SELECT FROM line_allocations k JOIN invoice_lines USING (line_id) JOIN invoices i USING (invoice_id)
                WHERE k.allocation_id = a.allocation_id AND k.released_by_line_id IS NULL AND i.status <> 'draft')
          UNION ALL
          SELECT c.usage_date, c.cost FROM usage_cells c JOIN usage_sources s USING (source_id)
          WHERE c.usage_date = ANY (:days) AND s.role = 'allocate'
            AND NOT EXISTS (SELECT FROM pool_cells h WHERE h.cell_id = c.cell_id)) unbilled
    GROUP BY usage_date
""")


def _lock(connection: Connection, days: Sequence[date]) -> None:
    """The days, then their drafts, before the change takes locks that come after these."""
    connection.execute(
        text(
            "SELECT FROM allocation_days WHERE usage_date = ANY (:days) ORDER BY usage_date FOR UPDATE"
        ),
        {"days": list(days)},
    )
    lock_drafts(connection, days)


def _allocate(connection: Connection, days: Sequence[date]) -> None:
    for _, month in groupby(days, key=lambda day: (day.year, day.month)):
        allocate_days(connection, list(month))


class BornePayer(NamedTuple):
    """A payer, or who is none: `is_allocated` False for cells in no cost pool."""

    team_id: str | None
    user_id: str | None
    is_allocated: bool


_BORNE = text("""
    SELECT a.usage_date, a.team_id, a.user_id, true, sum(a.cost)
    FROM allocations a JOIN cost_pools p USING (pool_id)
    WHERE p.usage_date = ANY (:days) AND p.retired_at IS NULL
      AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT c.usage_date, NULL, NULL, false, sum(c.cost)
    FROM usage_cells c JOIN usage_sources s USING (source_id)
    WHERE c.usage_date = ANY (:days) AND s.role = 'allocate'
      AND NOT EXISTS (SELECT FROM pool_cells h WHERE h.cell_id = c.cell_id)
    GROUP BY 1
""")

Borne = Mapping[tuple[date, BornePayer], Decimal]


def borne(connection: Connection, days: Sequence[date]) -> Borne:
    """What each payer bears on each day."""
    return {
        (day, BornePayer(*payer)): cost
        for day, *payer, cost in connection.execute(_BORNE, {"days": list(days)})
    }


def taken(connection: Connection, newest: int) -> Sequence[Any]:
    """What rule versions made after `newest` take."""
    return connection.execute(
        text("""SELECT r.rule_id, sum(p.cost) AS cost, count(DISTINCT p.usage_date) AS days
                FROM allocation_rules r JOIN cost_pools p USING (rule_key)
                WHERE r.rule_key > :newest AND p.retired_at IS NULL
                GROUP BY r.rule_id ORDER BY r.rule_id COLLATE "C" """),
        {"newest": newest},
    ).all()


def _compared(before: Borne, after: Borne, taken: Sequence[Any]) -> Preview:
    """The difference of the two, day by day and payer by payer."""
    zero = Decimal(0)
    changed = {
        at for at in before.keys() | after.keys() if before.get(at, zero) != after.get(at, zero)
    }
    more = (money.EXACT.subtract(after.get(at, zero), before.get(at, zero)) for at in changed)
    days = {day for day, _ in changed}
    payers = [
        Moved(*payer, _sum(before, days, payer), _sum(after, days, payer))
        for payer in sorted({payer for _, payer in changed}, key=_order)
    ]
    return Preview(
        len(days),
        plain(money.exact_sum(cost for cost in more if cost > 0)),
        tuple(payers),
        tuple(Taken(row.rule_id, plain(row.cost), row.days) for row in taken),
    )


def _sum(borne: Borne, days: set[date], payer: BornePayer) -> Decimal:
    return plain(money.exact_sum(borne.get((day, payer), Decimal(0)) for day in days))


def _order(payer: BornePayer) -> tuple[bool, str, str]:
    return payer.is_allocated, payer.team_id or "", payer.user_id or ""
