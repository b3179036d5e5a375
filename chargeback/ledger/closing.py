"""Whether a period is closed: none of its rows is refused, and all that its days cost is billed.

Closed is computed and never stored, so there is nothing to reopen. Also what is looked at on the way there.
"""

from typing import Any

from sqlalchemy import Connection, text

from chargeback.ledger import quarantine
from chargeback.periods import Period

# What is on no issued document and has somebody who bears it: not what a later stage passed on, which others bear.
# A cancelled document that keeps its claims is written off, and so is what corrects it.
_OPEN = text("""
    SELECT
        (SELECT count(*) FROM allocation_days WHERE is_dirty AND usage_date >= :start AND usage_date < :end) AS days,
        (SELECT count(*) FROM usage_batches b WHERE sealed_at IS NULL AND EXISTS (
            SELECT FROM usage_records r WHERE r.batch_id = b.batch_id
                AND r.usage_at >= CAST(:start AS date) - 2 AND r.usage_at < CAST(:end AS date) + 2
                AND r.usage_date >= :start AND r.usage_date < :end)) AS batches,
        (SELECT count(*) FROM usage_cells c JOIN usage_sources s USING (source_id)
         WHERE s.role = 'allocate' AND c.usage_date >= :start AND c.usage_date < :end
           AND NOT EXISTS (SELECT FROM pool_cells h WHERE h.cell_id = c.cell_id)) AS cells,
        (SELECT count(*) FROM allocations a JOIN cost_pools p USING (pool_id)
         WHERE p.retired_at IS NULL AND a.usage_date >= :start AND a.usage_date < :end
           AND (a.team_id IS NOT NULL OR a.user_id IS NOT NULL)
           AND NOT a.is_written_off
           AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)
           AND NOT EXISTS (
               SELECT FROM line_allocations k JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
               WHERE k.allocation_id = a.allocation_id AND k.released_by_line_id IS NULL
                 AND i.status NOT IN ('draft', 'pending'))) AS allocations
""")


def what_is_open(connection: Connection, period: Period) -> list[str]:
    """What keeps the period from being closed, in sentences; none when it is."""
    days = {"start": period.start, "end": period.end}
    found = connection.execute(_OPEN, days).one()
    refused = quarantine.open_count(connection, period)
    every = [
        (refused, f"{refused} refused rows wait for a decision"),
        (found.batches, f"{found.batches} batches still take usage"),
        (found.days, f"{found.days} days have changed since they were allocated"),
        (found.cells, f"{found.cells} cells are in no cost pool"),
        (found.allocations, f"{found.allocations} shares are on no issued document"),
    ]
    return [sentence for count, sentence in every if count]


def refused(connection: Connection, period: Period, limit: int) -> list[dict[str, Any]]:
    """The refused rows that wait for a decision about the period, oldest first."""
    rows = connection.execute(
        text("""SELECT quarantine_id AS id, s.name AS source, position AS line, usage_date::text AS day,
                    external_id AS row, trim_scale(raw_cost)::text AS cost, reason
                FROM usage_quarantine q JOIN usage_sources s USING (source_id)
                WHERE q.state = 'open' AND s.role = 'allocate'
                  AND (usage_date IS NULL OR (usage_date >= :start AND usage_date < :end))
                ORDER BY quarantine_id LIMIT :limit"""),
        {"start": period.start, "end": period.end, "limit": limit},
    )
    return [dict(row) for row in rows.mappings()]
