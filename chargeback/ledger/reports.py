"""What teams and users used, bear and were billed in a period: the figures of their reports.

Set-based: one payer or a thousand take the same few statements. Allocate first; usage that lies in no
pool yet is attributed by the same view that allocation uses.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.ledger import invoices, ledger_settings
from chargeback.ledger.invoices import plain
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.views import AdjustmentRow, AllocationRow, InvoiceRow, ReportView, UsageRow

Subject = Literal["team", "user"]

_COLUMNS: dict[Subject, str] = {"team": "team_id", "user": "user_id"}

# Pooled usage keeps the team it was pooled under; what is in no pool yet, which only dirty days have, is attributed as
# of now.
_USED = """
    WITH used AS (
        SELECT h.team_id, h.user_id, c.agent_id, c.resource_type, c.sku, c.unit, c.usage_date, c.cost, c.quantity,
            c.record_count
        FROM usage_cells c JOIN pool_cells h USING (cell_id)
        WHERE c.usage_date >= :start AND c.usage_date < :end
        UNION ALL
        SELECT a.team_id, a.user_id, a.agent_id, a.resource_type, a.sku, a.unit, a.usage_date, a.cost, a.quantity,
            a.record_count
        FROM attributed_cells a JOIN usage_sources s USING (source_id)
        WHERE a.usage_date = ANY (ARRAY(SELECT usage_date FROM allocation_days WHERE is_dirty))
          AND a.usage_date >= :start AND a.usage_date < :end AND s.role = 'allocate'
          AND NOT EXISTS (SELECT FROM pool_cells h WHERE h.cell_id = a.cell_id))
    SELECT {column} AS subject, grouping(resource_type, agent_id, usage_date, sku, unit) AS grouped,
        resource_type, agent_id, usage_date, sku, unit, trim_scale(sum(cost)) AS cost,
        trim_scale(sum(quantity)) AS quantity, sum(record_count) AS records
    FROM used WHERE {column} IS NOT NULL AND (CAST(:ids AS text[]) IS NULL OR {column} = ANY (:ids))
    GROUP BY {column}, GROUPING SETS ((), (resource_type), (agent_id), (usage_date), (sku), (resource_type, unit))
    ORDER BY subject, grouped, resource_type COLLATE "C", agent_id COLLATE "C" NULLS LAST, usage_date,
        sku COLLATE "C" NULLS LAST, unit COLLATE "C"
"""

_BORNE = """
    SELECT a.{column} AS subject, r.rule_id, r.version, a.team_id, a.user_id, p.resource_type, p.unit,
        sum(a.cost) AS cost, sum(a.quantity) AS quantity
    FROM cost_pools p JOIN allocations a USING (pool_id) JOIN allocation_rules r USING (rule_key)
    WHERE p.retired_at IS NULL AND p.usage_date >= :start AND p.usage_date < :end
      AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)
      AND a.{column} IS NOT NULL AND (CAST(:ids AS text[]) IS NULL OR a.{column} = ANY (:ids))
    GROUP BY a.{column}, r.rule_id, r.version, a.team_id, a.user_id, p.resource_type, p.unit
    ORDER BY a.{column}, r.rule_id COLLATE "C", r.version, a.team_id COLLATE "C" NULLS FIRST,
        a.user_id COLLATE "C" NULLS FIRST, p.resource_type COLLATE "C", p.unit COLLATE "C"
"""

# What `grouping` says of each: a bit per column that is summed over.
_RESOURCE_TYPE, _AGENT, _DAY, _MODEL, _UNIT, _ALL = (
    0b01111,
    0b10111,
    0b11011,
    0b11101,
    0b01110,
    0b11111,
)


@dataclass
class _Found:
    """What was found of one payer."""

    usage: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    allocations: list[AllocationRow] = field(default_factory=list)
    invoices: list[InvoiceRow] = field(default_factory=list)
    adjustments: list[AdjustmentRow] = field(default_factory=list)
    previous: Decimal = Decimal(0)


def reports(
    connection: Connection, subject: Subject, period: Period, ids: Sequence[str] | None = None
) -> list[ReportView]:
    """A report per team or user, by id: those of `ids`, or all that used, bear or were billed anything."""
    ledger_settings.check(connection)
    column = _COLUMNS[subject]
    found: dict[str, _Found] = {payer_id: _Found() for payer_id in ids or ()}
    asked = {"start": period.start, "end": period.end, "ids": None if ids is None else list(ids)}
    for row in connection.execute(text(_USED.format(column=column)), asked):
        found.setdefault(row.subject, _Found()).usage[row.grouped].append(row)
    for row in connection.execute(text(_BORNE.format(column=column)), asked):
        found.setdefault(row.subject, _Found()).allocations.append(
            AllocationRow(row.rule_id, row.version, row.team_id, row.user_id, row.resource_type, row.unit,
                          plain(row.cost), plain(row.quantity)))  # fmt: skip
    adjustments = _adjustments(connection, period)
    for invoice in _documents(connection, column, asked):
        payer_id = getattr(invoice, column)
        if payer_id is not None:
            held = found.setdefault(payer_id, _Found())
            held.invoices.append(invoice)
            held.adjustments += adjustments.get(invoice.number, ())
    before = period.previous()
    asked |= {"start": before.start, "end": before.end}
    for row in connection.execute(text(_BORNE.format(column=column)), asked):
        if row.subject in found:
            held = found[row.subject]
            held.previous = money.EXACT.add(held.previous, row.cost)
    names = _names(connection, subject)
    return [_report(subject, i, names.get(i, i), period, found[i]) for i in sorted(found)]


def _documents(connection: Connection, column: str, asked: dict[str, Any]) -> list[InvoiceRow]:
    """The payers' documents whose days overlap the period's, oldest first; cancelled drafts are nobody's business."""
    rows = connection.execute(
        text(f"""SELECT * FROM invoices WHERE period_start < :end AND period_end > :start
                   AND (CAST(:ids AS text[]) IS NULL OR {column} = ANY (:ids))
                   AND (status <> 'cancelled' OR content_hash IS NOT NULL) ORDER BY invoice_id"""),  # noqa: S608
        asked,
    )
    return [invoices.row_of(row) for row in rows]


def _adjustments(connection: Connection, period: Period) -> dict[str, list[AdjustmentRow]]:
    """Per document of the period, its lines that bill something else than the period's usage."""
    found: dict[str, list[AdjustmentRow]] = defaultdict(list)
    for row in connection.execute(
        text("""SELECT i.number, l.* FROM invoices i JOIN invoice_lines l USING (invoice_id)
                WHERE i.period_start < :end AND i.period_end > :start AND (l.kind = 'late' OR l.cause <> 'usage')
                ORDER BY invoice_id, position"""),
        {"start": period.start, "end": period.end},
    ):
        found[row.number].append(
            AdjustmentRow(row.number, row.description, row.resource_type, row.unit, plain(row.quantity),
                          plain(row.exact_amount), plain(row.amount)))  # fmt: skip
    return found


def _names(connection: Connection, subject: Subject) -> dict[str, str]:
    table = {"team": "teams", "user": "users"}[subject]
    rows = connection.execute(text(f"SELECT {_COLUMNS[subject]}, name FROM {table}"))  # noqa: S608
    return dict(rows.tuples().all())


def _report(
    subject: Subject, payer_id: str, name: str, period: Period, found: _Found
) -> ReportView:
    total = next(iter(found.usage[_ALL]), None)
    return ReportView(
        subject=subject,
        subject_id=payer_id,
        name=name,
        period=period,
        currency=settings().currency,
        usage_cost=plain(total.cost) if total else Decimal(0),
        usage_quantity=plain(total.quantity) if total else Decimal(0),
        record_count=int(total.records) if total else 0,
        by_resource_type=tuple(
            _usage(row, row.resource_type) for row in found.usage[_RESOURCE_TYPE]
        ),
        by_agent=tuple(_usage(row, row.agent_id or "no agent") for row in found.usage[_AGENT]),
        by_day=tuple(_usage(row, row.usage_date.isoformat()) for row in found.usage[_DAY]),
        by_model=tuple(_usage(row, row.sku or "no model") for row in found.usage[_MODEL]),
        by_unit=tuple(_usage(row, row.resource_type, row.unit) for row in found.usage[_UNIT]),
        allocations=tuple(found.allocations),
        invoices=tuple(found.invoices),
        adjustments=tuple(found.adjustments),
        total_cost=money.exact_sum(row.cost for row in found.allocations),
        previous_period=period.previous(),
        previous_total_cost=found.previous,
    )


def _usage(row: Any, key: str, unit: str = "") -> UsageRow:
    return UsageRow(key, row.cost, row.quantity, int(row.records), unit)
