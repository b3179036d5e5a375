"""Sharing billed cost anew: what today's rules and owners would give for frozen pools, booked as a difference.

A frozen cell that would go elsewhere today is booked twice more: once taken back, as its pool was shared, and
once standing in for itself, under the rules and owners of today. Both add to 0, so no usage changes; each payer
sees its part as late lines. What these cells become is allocation's, like any other.
Locks: the sources, so that no sync takes back meanwhile what is moved, then as allocation does.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.errors import Invalid
from chargeback.ledger import audit, ledger_settings
from chargeback.ledger.allocation import allocate_days, days_to_allocate
from chargeback.ledger.classification import classify
from chargeback.ledger.database import rehearsal, transaction
from chargeback.ledger.drivers import drivers_of
from chargeback.ledger.invoices import plain
from chargeback.ledger.passing import find_passed_otherwise
from chargeback.ledger.rulebook import kept_rules
from chargeback.ledger.sharing import Receivers
from chargeback.ledger.staging import stage
from chargeback.payer import Payer
from chargeback.periods import Period
from chargeback.settings import settings


@dataclass(frozen=True)
class MovedShare:
    """What one payer gives back and takes on, exact; `is_written_off` where nobody is asked for it or gets it back.

    `payer` is None for what nobody bears.
    """

    payer: Payer | None
    is_written_off: bool
    gives_back: Decimal
    takes_on: Decimal

    @property
    def difference(self) -> Decimal:
        """What the payer will see on its late lines."""
        return money.EXACT.add(self.gives_back, self.takes_on)


@dataclass(frozen=True)
class Reallocated:
    """What a reallocation moved, or would move; nothing where rules and owners give what is booked."""

    cells: int
    moved_cost: Decimal
    shares: tuple[MovedShare, ...]


def reallocate(
    period: Period,
    reason: str,
    actor: str,
    is_dry_run: bool = False,
    say: Callable[[date, int, int], None] | None = None,
) -> Reallocated:
    """Book what today's rules and owners give for the period's frozen pools, less what is booked, by month.

    A dry run does the same and undoes it. `say` hears the month, how many are done and of how many.
    Rerun: what is booked is what today's rules give, so nothing moves. Raises Invalid without a reason.
    """
    if not reason.strip():
        raise Invalid("reason_missing", f"say why {period.label} is reallocated: --reason '...'")
    with transaction() as connection:
        ledger_settings.check(connection)
        days = _known_days(connection, period)
    months = [list(month) for _, month in groupby(days, key=lambda day: (day.year, day.month))]
    found = []
    with rehearsal() if is_dry_run else nullcontext():
        for done, month in enumerate(months, 1):
            with transaction() as connection:
                found.append(_reallocate_days(connection, month, reason.strip(), actor))
            if say:
                say(month[0], done, len(months))
    return _together(found)


def _known_days(connection: Connection, period: Period) -> list[date]:
    return list(
        connection.execute(
            text("""SELECT usage_date FROM allocation_days WHERE usage_date >= :start AND usage_date < :end
                    ORDER BY usage_date"""),
            {"start": period.start, "end": period.end},
        ).scalars()
    )


def _reallocate_days(
    connection: Connection, days: Sequence[date], reason: str, actor: str
) -> Reallocated:
    """Reallocate these days of one month in this transaction, brought up to date first."""
    lock_sources(connection)
    connection.execute(
        text(
            "SELECT FROM allocation_days WHERE usage_date = ANY (:days) ORDER BY usage_date FOR UPDATE"
        ),
        {"days": list(days)},
    )
    dirty = set(days_to_allocate(connection, days[0], date.max)) & set(days)
    if dirty:
        allocate_days(connection, sorted(dirty))
    cells, moved_cost, touched = _find_moved(connection, days)
    if not cells:
        return Reallocated(0, Decimal(0), ())
    reallocation_id: int = connection.execute(
        text("""INSERT INTO reallocations (period_start, period_end, reason, booked_by)
                VALUES (:start, CAST(:last AS date) + 1, :reason, :actor) RETURNING reallocation_id"""),
        {"start": days[0], "last": days[-1], "reason": reason, "actor": actor},
    ).scalar_one()
    connection.execute(
        _BOOK, {"id": reallocation_id, "delivery": f"reallocation {reallocation_id}: {reason}"}
    )
    allocate_days(connection, touched)
    moved = Reallocated(cells, moved_cost, _shares(connection, reallocation_id))
    after = {
        "start": str(days[0]),
        "last": str(days[-1]),
        "cells": cells,
        "cost": f"{moved_cost:f}",
    }
    subject = str(reallocation_id)
    audit.append(
        connection,
        audit.Entry(actor, "reallocation.booked", "reallocation", subject, None, after, reason),
    )
    return moved


def lock_sources(connection: Connection) -> None:
    """Keep syncs from taking back meanwhile what is moved; taken before any day is locked."""
    connection.execute(
        text("SELECT FROM usage_sources WHERE role = 'allocate' ORDER BY source_id FOR UPDATE")
    )


# Direct cost has one payer, whom the pool's cell and rule name; what had neither team nor user then went where the
# pool says. Divided cost moves where its receivers or their weights are others now, and so does what later stages
# would pass on otherwise.
_MOVED = text("""
    CREATE TEMPORARY TABLE moved ON COMMIT DROP AS
    SELECT c.cell_id, c.usage_date, c.quantity, c.cost, c.record_count
    FROM classified c JOIN cost_pools p ON p.pool_id = c.held_pool_id JOIN allocation_rules r ON r.rule_key = p.rule_key
    JOIN pool_cells h ON h.cell_id = c.cell_id
    LEFT JOIN todays t ON t.rule_key = c.rule_key AND t.usage_date = c.usage_date
    WHERE CASE
        WHEN p.split_digest IS NOT NULL OR t.digest IS NOT NULL THEN p.split_digest IS DISTINCT FROM t.digest
        ELSE c.user_id IS DISTINCT FROM h.user_id OR
            CASE WHEN c.rule_type = 'by_user' THEN NULL
                 WHEN c.team_id IS NULL AND c.user_id IS NULL THEN :unattributed_team ELSE c.team_id END
            IS DISTINCT FROM
            CASE WHEN r.rule_type = 'by_user' THEN NULL
                 WHEN h.team_id IS NULL AND h.user_id IS NULL
                 THEN (SELECT a.team_id FROM allocations a WHERE a.pool_id = p.pool_id AND a.user_id IS NULL)
                 ELSE h.team_id END END
        OR p.pool_id IN (SELECT pool_id FROM passed_otherwise)
""")


def _find_moved(connection: Connection, days: Sequence[date]) -> tuple[int, Decimal, list[date]]:
    """Fill `moved` with the frozen cells that would go elsewhere today; how many, their cost, and their days."""
    kept = kept_rules(connection)
    drivers = drivers_of(connection, kept, days)
    receivers = Receivers(connection, kept, settings().unattributed_team, drivers)
    classify(connection, days, kept, is_of_frozen=True)
    divided = connection.execute(
        text("""SELECT DISTINCT rule_key, usage_date FROM classified
                WHERE rule_type NOT IN ('by_usage', 'by_user', 'unattributed')""")
    ).all()
    stage(
        connection, "todays", "rule_key bigint, usage_date date, digest uuid",
        [(key, day, receivers.of(key, day).digest) for key, day in divided],
    )  # fmt: skip
    find_passed_otherwise(connection, days, kept, receivers)
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.moved"))
    connection.execute(_MOVED, {"unattributed_team": receivers.unattributed_team})
    connection.execute(text("ANALYZE pg_temp.moved"))
    rows = connection.execute(
        text("""SELECT usage_date, count(*) AS cells, sum(abs(cost)) AS cost FROM moved
                GROUP BY usage_date ORDER BY usage_date""")
    ).all()
    return (
        sum(row.cells for row in rows),
        money.exact_sum(row.cost for row in rows),
        [row.usage_date for row in rows],
    )


_BOOK = text("""
    WITH batches AS (
        INSERT INTO usage_batches (source_id, delivery, sealed_at)
        SELECT source_id, :delivery, now() FROM moved JOIN usage_cells USING (cell_id) GROUP BY source_id ORDER BY 1
        RETURNING batch_id, source_id)
    INSERT INTO usage_cells (batch_id, source_id, usage_date, charge_date, team_id, user_id, agent_id, account_id,
        owner_tag, resource_type, sku, unit, quantity, cost, residual, record_count,
        reverses_cell_id, replaces_cell_id, reallocation_id)
    SELECT b.batch_id, c.source_id, c.usage_date, c.charge_date, c.team_id, c.user_id, c.agent_id, c.account_id,
        c.owner_tag, c.resource_type, c.sku, c.unit, s.sign * m.quantity, s.sign * m.cost, 0, s.sign * m.record_count,
        CASE s.sign WHEN -1 THEN m.cell_id END, CASE s.sign WHEN 1 THEN m.cell_id END, :id
    FROM moved m JOIN usage_cells c USING (cell_id) JOIN batches b ON b.source_id = c.source_id
    CROSS JOIN (VALUES (-1), (1)) s (sign)
    ORDER BY m.cell_id, s.sign
""")


def _shares(connection: Connection, reallocation_id: int) -> tuple[MovedShare, ...]:
    rows = connection.execute(
        text("""SELECT a.team_id, a.user_id, a.is_written_off,
                    coalesce(sum(a.cost) FILTER (WHERE p.kind = 'reversal'), 0) AS gives_back,
                    coalesce(sum(a.cost) FILTER (WHERE p.kind = 'replacement'), 0) AS takes_on
                FROM cost_pools p JOIN allocations a USING (pool_id)
                WHERE p.reallocation_id = :id AND p.retired_at IS NULL
                  AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)
                GROUP BY 1, 2, 3"""),
        {"id": reallocation_id},
    )
    return tuple(_share(row) for row in rows)


def _share(row: Any) -> MovedShare:
    payer = Payer(row.team_id, row.user_id) if row.team_id or row.user_id else None
    return MovedShare(payer, row.is_written_off, row.gives_back, row.takes_on)


def _together(found: Sequence[Reallocated]) -> Reallocated:
    """The months' reallocations as one, a row per payer: who gets the most back first."""
    by_payer: dict[tuple[Payer | None, bool], list[MovedShare]] = defaultdict(list)
    for share in (share for one in found for share in one.shares):
        by_payer[share.payer, share.is_written_off].append(share)
    shares = [
        MovedShare(
            payer,
            is_written_off,
            plain(money.exact_sum(share.gives_back for share in parts)),
            plain(money.exact_sum(share.takes_on for share in parts)),
        )
        for (payer, is_written_off), parts in by_payer.items()
    ]
    shares.sort(key=lambda share: (share.is_written_off, share.difference, str(share.payer)))
    return Reallocated(
        sum(one.cells for one in found),
        plain(money.exact_sum(one.moved_cost for one in found)),
        tuple(shares),
    )
