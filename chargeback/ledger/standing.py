"""Where things stand: what waits for a person or for the next run, in one look.

Owns the figures of `chargeback status`. What came in and where it went, exactly, is `reconcile`'s.
Call it in a `database.snapshot()`, so that all figures are of the same moment.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.ledger import invoices, runs
from chargeback.ledger.allocation import days_to_allocate
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.views import InvoiceRow
from models.enums import InvoiceStatus

RECENT_RUNS = 5


@dataclass(frozen=True)
class StatusTotal:
    """How many documents stand at a status and what they come to, as printed."""

    status: InvoiceStatus
    count: int
    total: Decimal


@dataclass(frozen=True)
class RecentRun:
    """A flow run of late: what it was asked, how it ended, and how long it took."""

    flow: str
    period: str | None
    state: str
    started_at: datetime
    seconds: Decimal | None
    step_count: int
    error: str | None
    said: tuple[str, ...]
    for_a_person: tuple[str, ...]


@dataclass(frozen=True)
class Remark:
    """Why a rule's cost was not divided as the rule says: how much of it, in how many days."""

    rule_id: str
    reason: str
    cost: Decimal
    days: int


@dataclass(frozen=True)
class Standing:
    """A period, or everything, as it stands; amounts in `currency`, cost exact and totals as printed.

    `unattributed` is allocated to nobody, `not_allocated` lies in no cost pool yet. `days_to_allocate` are
    days on which anything changed since they were allocated.
    """

    period: Period | None
    currency: str
    documents: tuple[InvoiceRow, ...]
    totals: tuple[StatusTotal, ...]
    stale_drafts: tuple[str, ...]
    open_quarantine: int
    days_to_allocate: int
    unattributed: Decimal
    not_allocated: Decimal
    remarks: tuple[Remark, ...]
    recent_runs: tuple[RecentRun, ...]


def standing(connection: Connection, period: Period | None) -> Standing:
    """Where the period stands, or everything there is."""
    days = {
        "start": period.start if period else date.min,
        "end": period.end if period else date.max,
    }
    documents = tuple(invoices.rows(connection, period))
    unattributed, not_allocated, quarantined = connection.execute(_WAITING, days).one()
    currency = connection.execute(text("SELECT currency FROM ledger_settings")).scalar()
    return Standing(
        period,
        currency or settings().currency,
        documents,
        _totals(documents),
        tuple(row.number for row in documents if row.is_stale),
        quarantined,
        len(days_to_allocate(connection, days["start"], days["end"])),
        invoices.plain(unattributed),
        invoices.plain(not_allocated),
        tuple(
            Remark(row.rule_id, row.remark, invoices.plain(row.cost), row.days)
            for row in connection.execute(_REMARKS, days)
        ),
        tuple(
            _run(row)
            for row in runs.recent(connection, RECENT_RUNS, period.label if period else None)
        ),
    )


_WAITING = text("""
    SELECT
        (SELECT coalesce(sum(a.cost), 0) FROM cost_pools p JOIN allocations a USING (pool_id)
         WHERE p.retired_at IS NULL AND p.usage_date >= :start AND p.usage_date < :end
           AND a.team_id IS NULL AND a.user_id IS NULL),
        (SELECT coalesce(sum(c.cost), 0) FROM usage_cells c JOIN usage_sources s USING (source_id)
         WHERE s.role = 'allocate' AND c.usage_date >= :start AND c.usage_date < :end
           AND NOT EXISTS (SELECT FROM pool_cells h WHERE h.cell_id = c.cell_id)),
        (SELECT count(*) FROM usage_quarantine
         WHERE state = 'open' AND (usage_date IS NULL OR (usage_date >= :start AND usage_date < :end)))
""")


_REMARKS = text("""
    SELECT r.rule_id, p.remark, sum(p.cost) AS cost, count(DISTINCT p.usage_date) AS days
    FROM cost_pools p JOIN allocation_rules r USING (rule_key)
    WHERE p.remark IS NOT NULL AND p.retired_at IS NULL AND p.usage_date >= :start AND p.usage_date < :end
    GROUP BY r.rule_id, p.remark ORDER BY r.rule_id COLLATE "C", p.remark COLLATE "C"
""")


def _totals(documents: tuple[InvoiceRow, ...]) -> tuple[StatusTotal, ...]:
    found = []
    for status in InvoiceStatus:
        same = [row.total for row in documents if row.status is status]
        if same:
            found.append(StatusTotal(status, len(same), money.exact_sum(same)))
    return tuple(found)


def _run(row: Any) -> RecentRun:
    seconds = None
    if row.ended_at is not None:
        seconds = Decimal(int((row.ended_at - row.started_at).total_seconds()))
    return RecentRun(
        row.flow,
        row.parameters.get("period"),
        row.state,
        row.started_at,
        seconds,
        row.step_count,
        row.error,
        tuple(row.said),
        tuple(row.for_a_person),
    )
