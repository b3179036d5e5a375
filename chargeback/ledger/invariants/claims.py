"""Invariant 6: each allocation is billed once, each line is what it claims, a cancelled invoice comes to 0.

A document was issued where it has a content hash. A cancelled draft keeps its lines and has no claims; a
cancelled issued invoice keeps its claims, all of them released by its credit note or, written off, none.
"""

# ruff: noqa: S608 - queries are made of constants only

from chargeback.ledger.claims import CAUSE
from chargeback.ledger.invariants.invariant import Invariant, in_days, in_documents, shown

_CLAIMED_TWICE = f"""
    SELECT format('allocation %s of %s (%s) is claimed %s times: by %s', a.allocation_id, max(a.usage_date),
                  {shown("max(a.cost)")}, count(*), string_agg(DISTINCT i.number, ', ')) AS sentence
    FROM line_allocations c JOIN allocations a USING (allocation_id)
    JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
    WHERE c.released_by_line_id IS NULL AND {in_days("a.usage_date")}
    GROUP BY a.allocation_id HAVING count(*) > 1
"""

# A stale draft lost claims to an allocation made anew: it must be refreshed before it can be sent.
_LINE_IS_ITS_CLAIMS = f"""
    SELECT format('line %s of %s is %s for %s %s, but what it claims is %s for %s', l.position, i.number,
                  {shown("l.exact_amount")}, {shown("l.quantity")}, l.unit, {shown("sum(a.cost)")},
                  {shown("sum(a.quantity)")}) AS sentence
    FROM invoices i JOIN invoice_lines l USING (invoice_id)
    LEFT JOIN line_allocations c USING (line_id) LEFT JOIN allocations a USING (allocation_id)
    WHERE i.kind = 'invoice' AND {in_documents("i.invoice_id")}
      AND NOT (i.status = 'draft' AND i.is_stale) AND NOT (i.status = 'cancelled' AND i.content_hash IS NULL)
    GROUP BY i.number, l.line_id, l.position, l.exact_amount, l.quantity, l.unit
    HAVING l.exact_amount <> coalesce(sum(a.cost), 0) OR l.quantity <> coalesce(sum(a.quantity), 0)
"""

_OTHERS = f"""CASE
    WHEN NOT CASE i.scope
        WHEN 'team' THEN a.team_id IS NOT DISTINCT FROM i.team_id
        WHEN 'user' THEN a.user_id IS NOT DISTINCT FROM i.user_id
        WHEN 'team_user' THEN (a.team_id, a.user_id) IS NOT DISTINCT FROM (i.team_id, i.user_id)
        ELSE a.team_id IS NOT NULL OR a.user_id IS NOT NULL END
        THEN format('borne by team %s, user %s', coalesce(a.team_id, 'none'), coalesce(a.user_id, 'none'))
    WHEN l.kind = 'usage' AND NOT (a.usage_date >= i.period_start AND a.usage_date < i.period_end)
        THEN 'outside its period'
    WHEN l.kind = 'late' AND NOT (a.usage_date < i.period_start
                                  AND date_trunc('month', a.usage_date)::date = l.late_month)
        THEN format('not late usage for %s', to_char(l.late_month, 'YYYY-MM'))
    WHEN (l.resource_type, l.unit) <> (p.resource_type, p.unit)
        THEN format('of %s in %s', p.resource_type, p.unit)
    WHEN l.cause <> {CAUSE} THEN format('booked as %s on a line of %s', {CAUSE}, l.cause) END"""

_WRONG = f"""CASE
    WHEN a.allocation_id IS NULL THEN 'which does not exist'
    WHEN i.kind = 'credit_note' THEN 'and is a credit note'
    WHEN i.status = 'cancelled' AND i.content_hash IS NULL THEN 'and is a cancelled draft'
    WHEN a.is_written_off THEN 'which is written off'
    WHEN c.released_by_line_id IS NULL AND p.retired_at IS NOT NULL THEN 'of a retired pool'
    WHEN c.released_by_line_id IS NULL AND EXISTS (
        SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id) THEN 'which was passed on'
    WHEN c.released_by_line_id IS NOT NULL AND i.status <> 'cancelled'
        THEN format('released, but the document is %s', i.status)
    WHEN c.released_by_line_id IS NOT NULL AND n.credits_invoice_id IS DISTINCT FROM i.invoice_id
        THEN 'released by another document than its credit note'
    ELSE {_OTHERS} END"""

_CLAIM = f"""
    SELECT format('line %s of %s claims allocation %s of %s (%s), %s', position, number, allocation_id,
                  coalesce(usage_date::text, 'no day'), {shown("cost")}, wrong) AS sentence
    FROM (SELECT l.position, i.number, c.allocation_id, a.usage_date, a.cost, {_WRONG} AS wrong
          FROM line_allocations c JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
          LEFT JOIN allocations a USING (allocation_id) LEFT JOIN cost_pools p USING (pool_id)
          LEFT JOIN invoice_lines r ON r.line_id = c.released_by_line_id
          LEFT JOIN invoices n ON n.invoice_id = r.invoice_id
          WHERE {in_documents("i.invoice_id")}) claimed
    WHERE wrong IS NOT NULL
"""

_RELEASED_IN_PART = f"""
    SELECT format('%s is cancelled and released %s of its %s claims', i.number, count(c.released_by_line_id),
                  count(*)) AS sentence
    FROM invoices i JOIN invoice_lines l USING (invoice_id) JOIN line_allocations c USING (line_id)
    WHERE i.status = 'cancelled' AND {in_documents("i.invoice_id")}
    GROUP BY i.number HAVING count(c.released_by_line_id) NOT IN (0, count(*))
"""

_CREDITED = f"""
    SELECT CASE WHEN n.number IS NULL THEN format('%s is cancelled after issue and has no credit note', i.number)
                WHEN i.status <> 'cancelled' THEN format('%s is credited by %s, but %s', i.number, n.number, i.status)
                ELSE format('%s (%s) and its credit note %s (%s) do not add to 0 in every amount', i.number,
                            {shown("i.total")}, n.number, {shown("n.total")}) END AS sentence
    FROM invoices i LEFT JOIN invoices n ON n.credits_invoice_id = i.invoice_id
    WHERE i.kind = 'invoice' AND {in_documents("i.invoice_id")}
      AND (n.number IS NOT NULL OR (i.status = 'cancelled' AND i.content_hash IS NOT NULL))
      AND (n.number IS NULL OR i.status <> 'cancelled' OR i.tax_rate <> n.tax_rate OR i.currency <> n.currency
        OR (i.exact_total, i.subtotal, i.rounding_difference, i.tax, i.total)
           <> (-n.exact_total, -n.subtotal, -n.rounding_difference, -n.tax, -n.total))
"""

_CREDITED_LINES = f"""
    SELECT format('line %s of %s (%s) and of its credit note %s (%s) do not add to 0', position, i.number,
                  {shown("sum(amount) FILTER (WHERE side = 1)")}, n.number,
                  {shown("sum(amount) FILTER (WHERE side = -1)")}) AS sentence
    FROM invoices n JOIN invoices i ON i.invoice_id = n.credits_invoice_id
    CROSS JOIN LATERAL (
        SELECT position, 1 AS side, kind, late_month, cause, resource_type, unit, quantity, exact_amount, amount
        FROM invoice_lines l WHERE l.invoice_id = i.invoice_id
        UNION ALL
        SELECT position, -1, kind, late_month, cause, resource_type, unit, quantity, exact_amount, amount
        FROM invoice_lines l WHERE l.invoice_id = n.invoice_id) both_lines
    WHERE {in_documents("i.invoice_id")}
    GROUP BY i.number, n.number, position
    HAVING count(*) <> 2 OR sum(quantity) <> 0 OR sum(exact_amount) <> 0 OR sum(amount) <> 0
        OR count(DISTINCT (both_lines.kind, late_month, cause, resource_type, unit)) <> 1
"""

CLAIMED_ONCE = Invariant(
    6,
    "each allocation is billed once, each line is what it claims, a credit note undoes its invoice",
    (
        _CLAIMED_TWICE,
        _LINE_IS_ITS_CLAIMS,
        _CLAIM,
        _RELEASED_IN_PART,
        _CREDITED,
        _CREDITED_LINES,
    ),
)
