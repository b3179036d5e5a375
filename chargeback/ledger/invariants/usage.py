"""Invariants 1, 2 and 14: what came in is in the ledger, once, and all of it."""

# ruff: noqa: S608 - queries are made of constants only

from chargeback.ledger.invariants import snapshots
from chargeback.ledger.invariants.invariant import (
    Invariant,
    around_days,
    in_days,
    in_days_or_undated,
    shown,
)

# The primary key holds only together with the instant, so two months could each hold the fact once.
# The reach is that of a load, which looks for held usage one month to either side.
_HELD_TWICE = f"""
    SELECT format('usage %s of source %s is held %s times in revision %s',
                  external_id, coalesce(s.name, source_id::text), times, revision) AS sentence
    FROM (SELECT source_id, external_id, revision, count(*) AS times FROM usage_records
          WHERE usage_at >= CAST(:start AS date) - interval '1 month'
            AND usage_at < CAST(:end AS date) + interval '1 month'
          GROUP BY source_id, external_id, revision
          HAVING count(*) > 1 AND bool_or({in_days("usage_date")})) held
    LEFT JOIN usage_sources s USING (source_id)
"""

# Revisions of a fact take turns: as reported, taken back, as reported again.
_OUT_OF_TURN = f"""
    SELECT format('usage %s of source %s: revision %s (%s) does not %s the one before it (%s)', r.external_id,
                  coalesce(s.name, r.source_id::text), r.revision, {shown("r.cost")},
                  CASE r.record_count WHEN -1 THEN 'take back' ELSE 'follow on a reversal of' END,
                  coalesce(trim_scale(p.cost)::text, 'which is missing')) AS sentence
    FROM usage_records r LEFT JOIN usage_records p ON p.usage_id = r.usage_id AND p.revision = r.revision - 1
    LEFT JOIN usage_sources s ON s.source_id = r.source_id
    WHERE {in_days("r.usage_date")} AND {around_days("r.usage_at")} AND (r.revision > 1 OR r.record_count = -1)
      AND (p.usage_id IS NULL OR p.record_count = r.record_count
        OR (r.record_count = -1
            AND (r.usage_at, r.usage_date, r.charge_date, r.content_hash, -r.quantity, -r.cost, -r.residual)
                <> (p.usage_at, p.usage_date, p.charge_date, p.content_hash, p.quantity, p.cost, p.residual)))
"""

_MANIFEST = f"""
    SELECT format('batch %s received %s rows of %s with raw cost %s, but accounts for %s with %s; '
                  'its raw cost %s, less %s taken back, at the rate %s and with %s by our own rates, is booked as %s '
                  'and residual %s',
                  batch_id, received_count, coalesce(usage_date::text, 'unknown days'), {shown("received_raw")},
                  new_count + unchanged_count + changed_count + quarantined_count,
                  {shown("new_raw + unchanged_raw + changed_raw + quarantined_raw")},
                  {shown("new_raw + changed_raw")}, {shown("reversed_raw")}, {shown("exchange_rate")},
                  {shown("repriced")}, {shown("cost")}, {shown("residual")}) AS sentence
    FROM usage_manifests
    WHERE {in_days_or_undated("usage_date")}
      AND (received_count <> new_count + unchanged_count + changed_count + quarantined_count
        OR received_raw <> new_raw + unchanged_raw + changed_raw + quarantined_raw
        OR (new_raw + changed_raw - reversed_raw) * exchange_rate + repriced <> cost + residual)
"""


def _archived(table: str) -> str:
    """The condition that records of the row's batch and day were archived."""
    return f"""EXISTS (SELECT FROM archived_usage g
        WHERE g.batch_id = {table}.batch_id AND g.usage_date = {table}.usage_date)"""


# Records count up and cells count down: what is in a cell exactly, with every attribute, comes to 0.
# Records of a batch still open are in no cell yet.
_ATTRIBUTES = """batch_id, source_id, usage_date, charge_date, team_id, user_id, agent_id, account_id, owner_tag,
    resource_type, sku, unit"""
_CELLS_OF_RECORDS = f"""
    SELECT format('batch %s, %s, %s: records and cells of team %s, user %s, agent %s differ by cost %s, '
                  'quantity %s, %s records', batch_id, usage_date, resource_type, coalesce(team_id, 'none'),
                  coalesce(user_id, 'none'), coalesce(agent_id, 'none'), {shown("sum(cost)")},
                  {shown("sum(quantity)")}, sum(record_count)) AS sentence
    FROM (SELECT {_ATTRIBUTES}, original_currency AS currency, coalesce(exchange_rate, 1) AS exchange_rate,
              coalesce(repriced, 0) AS repriced, cost, quantity, residual, record_count FROM usage_records
          WHERE {in_days("usage_date")} AND {around_days("usage_at")}
            AND batch_id NOT IN (SELECT batch_id FROM usage_batches WHERE sealed_at IS NULL)
            AND NOT {_archived("usage_records")}
          UNION ALL
          SELECT {_ATTRIBUTES}, currency, exchange_rate, -repriced, -cost, -quantity, -residual, -record_count
          FROM usage_cells
          WHERE {in_days("usage_date")} AND NOT {_archived("usage_cells")}) counted
    GROUP BY {_ATTRIBUTES}, currency, exchange_rate
    HAVING sum(cost) <> 0 OR sum(quantity) <> 0 OR sum(residual) <> 0 OR sum(record_count) <> 0 OR sum(repriced) <> 0
"""

# Of an archived month only what its records came to is here, per batch and day: the archive's manifest.
_CELLS_OF_ARCHIVE = f"""
    SELECT format('batch %s, %s: records, archived ones included, and cells differ by cost %s, quantity %s, '
                  'residual %s, %s records', batch_id, usage_date, {shown("sum(cost)")}, {shown("sum(quantity)")},
                  {shown("sum(residual)")}, sum(record_count)) AS sentence
    FROM (SELECT batch_id, usage_date, cost, quantity, residual, record_count FROM archived_usage
          WHERE {in_days("usage_date")}
          UNION ALL
          SELECT batch_id, usage_date, cost, quantity, residual, record_count FROM usage_records
          WHERE {in_days("usage_date")} AND {around_days("usage_at")} AND {_archived("usage_records")}
          UNION ALL
          SELECT batch_id, usage_date, -cost, -quantity, -residual, -record_count FROM usage_cells
          WHERE {in_days("usage_date")} AND {_archived("usage_cells")}) counted
    GROUP BY batch_id, usage_date
    HAVING sum(cost) <> 0 OR sum(quantity) <> 0 OR sum(residual) <> 0 OR sum(record_count) <> 0
"""

# A month is in the archive or in the ledger's own tables, never in both.
_ARCHIVED_TWICE = f"""
    SELECT format('%s records of %s are held, although that month lies in the archive', count(*),
                  to_char(month, 'YYYY-MM')) AS sentence
    FROM usage_archives JOIN usage_records r ON r.usage_at >= month::timestamp AT TIME ZONE 'UTC'
        AND r.usage_at < (month + interval '1 month') AT TIME ZONE 'UTC'
    WHERE state = 'archived' AND {in_days("r.usage_date")} GROUP BY month
"""

_CELLS_OF_MANIFEST = f"""
    SELECT format('batch %s, %s%s: the manifest differs from the cells by cost %s, residual %s, %s by our own rates, '
                  '%s records', batch_id, usage_date, ', ' || currency, {shown("sum(cost)")},
                  {shown("sum(residual)")}, {shown("sum(repriced)")}, sum(records)) AS sentence
    FROM (SELECT batch_id, usage_date, currency, exchange_rate, repriced, cost, residual,
              new_count + changed_count - reversed_count AS records
          FROM usage_manifests
          WHERE usage_date IS NOT NULL AND {in_days("usage_date")}
          UNION ALL
          SELECT batch_id, usage_date, currency, exchange_rate, -sum(repriced), -sum(cost), -sum(residual),
              -sum(record_count)
          FROM usage_cells
          WHERE {in_days("usage_date")} GROUP BY batch_id, usage_date, currency, exchange_rate) counted
    GROUP BY batch_id, usage_date, currency, exchange_rate
    HAVING sum(cost) <> 0 OR sum(residual) <> 0 OR sum(repriced) <> 0 OR sum(records) <> 0
"""

_BATCH_OF_CELL = f"""
    SELECT format('%s cells name batch %s of source %s, which %s', count(*), c.batch_id, c.source_id,
                  CASE WHEN b.batch_id IS NULL THEN 'does not exist'
                       WHEN b.sealed_at IS NULL THEN 'is still open'
                       ELSE format('is of source %s', b.source_id) END) AS sentence
    FROM usage_cells c LEFT JOIN usage_batches b USING (batch_id)
    WHERE {in_days("c.usage_date")}
      AND (b.batch_id IS NULL OR b.sealed_at IS NULL OR b.source_id <> c.source_id)
    GROUP BY c.batch_id, c.source_id, b.batch_id
"""

# What was booked is compared in the ledger's currency, at the rate it entered at; each row says both sides.
_BOOKED = f"""
    SELECT format('source %s, %s: came in %s (%s rows, %s of it by our own rates) less what was taken back, but '
                  'booked %s, residual %s (%s rows)',
                  coalesce(s.name, source_id::text), usage_date, {shown("sum(received)")}, sum(rows_in),
                  {shown("sum(repriced)")}, {shown("sum(cost)")}, {shown("sum(residual)")}, sum(rows_kept)) AS sentence
    FROM (SELECT source_id, usage_date, (new_raw + changed_raw - reversed_raw) * exchange_rate + repriced AS received,
              repriced, new_count + changed_count - reversed_count AS rows_in, 0 AS cost, 0 AS residual, 0 AS rows_kept
          FROM usage_manifests JOIN usage_batches USING (batch_id)
          UNION ALL
          SELECT source_id, usage_date, 0, 0, 0, cost, residual, record_count FROM usage_cells) counted
    LEFT JOIN usage_sources s USING (source_id)
    WHERE {in_days("usage_date")}
    GROUP BY source_id, s.name, usage_date
    HAVING sum(received) <> sum(cost) + sum(residual) OR sum(rows_in) <> sum(rows_kept)
"""

# What was refused is compared in its own currency: no rate may be known. A quarantined row that was delivered
# again in good form is counted where it was booked.
_REFUSED = f"""
    SELECT format('source %s, %s: came in refused %s%s (%s rows), but open quarantine %s, waived %s (%s rows)',
                  coalesce(s.name, source_id::text), coalesce(usage_date::text, 'unknown days'),
                  {shown("sum(received)")}, ' ' || currency, sum(rows_in), {shown("sum(open)")},
                  {shown("sum(waived)")}, sum(rows_kept)) AS sentence
    FROM (SELECT source_id, usage_date, currency, quarantined_raw AS received, quarantined_count AS rows_in,
              0 AS open, 0 AS waived, 0 AS rows_kept
          FROM usage_manifests JOIN usage_batches USING (batch_id)
          UNION ALL
          SELECT source_id, usage_date, currency,
              CASE WHEN state = 'replaced' THEN -coalesce(raw_cost, 0) ELSE 0 END,
              CASE WHEN state = 'replaced' THEN -1 ELSE 0 END,
              CASE WHEN state = 'open' THEN coalesce(raw_cost, 0) ELSE 0 END,
              CASE WHEN state = 'waived' THEN coalesce(raw_cost, 0) ELSE 0 END,
              CASE WHEN state = 'replaced' THEN 0 ELSE 1 END
          FROM usage_quarantine) counted
    LEFT JOIN usage_sources s USING (source_id)
    WHERE {in_days_or_undated("usage_date")}
    GROUP BY source_id, s.name, usage_date, currency
    HAVING sum(received) <> sum(open) + sum(waived) OR sum(rows_in) <> sum(rows_kept)
"""

# Nothing is counted of such a row, so its fact must be there instead.
_REPLACED = f"""
    SELECT format('refused row %s of source %s (%s) counts as delivered again, but is not in the ledger',
                  coalesce(q.external_id, 'without id'), s.name, {shown("q.raw_cost")}) AS sentence
    FROM usage_quarantine q JOIN usage_sources s USING (source_id)
    WHERE q.state = 'replaced' AND q.snapshot_id IS NULL AND {in_days_or_undated("q.usage_date")}
      AND NOT EXISTS (SELECT FROM usage_records r
                      WHERE r.usage_id = public_id('usage', s.name, coalesce(q.booked_as, q.external_id)))
      -- What came again before a month was archived may lie in the archive.
      AND NOT EXISTS (SELECT FROM usage_archives g WHERE g.state = 'archived' AND q.decided_at < g.archived_at
                      AND (q.usage_date IS NULL OR q.usage_date < g.month + interval '1 month 2 days'))
"""

# What stands is booked at its month's rate; a rate that changed books it anew.
_AT_OTHER_RATES = f"""
    SELECT format('usage %s of source %s entered at the rate %s of %s, but that of %s is %s', external_id, s.name,
                  {shown("r.exchange_rate")}, r.original_currency, to_char(r.usage_date, 'YYYY-MM'),
                  {shown("e.rate")}) AS sentence
    FROM usage_records r JOIN usage_sources s USING (source_id) JOIN exchange_rates e
      ON e.currency = r.original_currency AND e.period_month = date_trunc('month', r.usage_date)
    WHERE {in_days("r.usage_date")} AND r.original_currency IS NOT NULL AND r.original_cost <> 0
      AND r.exchange_rate <> e.rate AND r.record_count = 1
      AND NOT EXISTS (SELECT FROM usage_records v WHERE v.usage_id = r.usage_id AND v.revision > r.revision)
"""

_WENT_OUT = f"""
    SELECT format('source %s, %s: the ledger has %s, but %s is claimed, %s unclaimed and %s not allocated',
                  s.name, usage_date, {shown("sum(ledger)")}, {shown("sum(claimed)")}, {shown("sum(unclaimed)")},
                  {shown("sum(loose)")}) AS sentence
    FROM (SELECT c.source_id, c.usage_date, c.cost AS ledger, 0 AS claimed, 0 AS unclaimed,
              CASE WHEN EXISTS (SELECT FROM pool_cells h WHERE h.cell_id = c.cell_id) THEN 0 ELSE c.cost END AS loose
          FROM usage_cells c
          UNION ALL
          SELECT p.source_id, p.usage_date, 0, CASE WHEN k.allocation_id IS NULL THEN 0 ELSE a.cost END,
              CASE WHEN k.allocation_id IS NULL THEN a.cost ELSE 0 END, 0
          FROM allocations a JOIN cost_pools p USING (pool_id)
          LEFT JOIN line_allocations k ON k.allocation_id = a.allocation_id AND k.released_by_line_id IS NULL
          WHERE p.retired_at IS NULL
            AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)) counted
    JOIN usage_sources s USING (source_id)
    WHERE s.role = 'allocate' AND {in_days("usage_date")}
    GROUP BY s.name, usage_date
    HAVING sum(ledger) <> sum(claimed) + sum(unclaimed) + sum(loose)
"""

FACTS_ONCE = Invariant(
    1,
    "each usage fact is held once per revision, and taken back by the next",
    (_HELD_TWICE, _OUT_OF_TURN, snapshots.OUT_OF_SCOPE),
)
BATCHES_WHOLE = Invariant(
    2,
    "each batch is booked whole: manifest, records and cells agree",
    (
        _MANIFEST,
        _CELLS_OF_RECORDS,
        _CELLS_OF_ARCHIVE,
        _CELLS_OF_MANIFEST,
        _BATCH_OF_CELL,
        _ARCHIVED_TWICE,
        snapshots.KEPT_WHOLE,
    ),
)
RECONCILED = Invariant(
    14,
    "what came in is accounted for, per source and day",
    (_BOOKED, _REFUSED, _REPLACED, _AT_OTHER_RATES, _WENT_OUT, snapshots.SETTLED_TOGETHER),
)
