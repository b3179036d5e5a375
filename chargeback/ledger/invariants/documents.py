"""Invariants 7 to 10 and 12: what documents say adds up, is numbered, unchanged, and came about as allowed."""

# ruff: noqa: S608 - queries are made of constants only

from chargeback.ledger.invariants.invariant import Invariant, in_documents, shown
from models.tables import Base

# `:minor_digits` gives how many decimals each currency has on paper.
_DIGITS = "CAST(CAST(:minor_digits AS jsonb) ->> i.currency AS integer)"

_TOTALS = f"""
    SELECT format('%s: lines print %s and are exactly %s; exact %s, rounding %s, subtotal %s, tax %s at %s, total %s',
                  number, {shown("printed")}, {shown("exact")}, {shown("exact_total")}, {shown("rounding_difference")},
                  {shown("subtotal")}, {shown("tax")}, {shown("tax_rate")}, {shown("total")}) AS sentence
    FROM (SELECT i.*, {_DIGITS} AS digits, coalesce(l.printed, 0) AS printed, coalesce(l.exact, 0) AS exact
          FROM invoices i
          LEFT JOIN (SELECT invoice_id, sum(amount) AS printed, sum(exact_amount) AS exact
                     FROM invoice_lines GROUP BY invoice_id) l USING (invoice_id)
          WHERE {in_documents("i.invoice_id")}) i
    WHERE printed <> subtotal OR exact <> exact_total OR subtotal <> exact_total + rounding_difference
       OR subtotal <> round(exact_total, digits) OR abs(rounding_difference) * 2 > power(10::numeric, -digits)
       OR tax <> round(subtotal * tax_rate, digits) OR total <> subtotal + tax
"""

_PRINTED_LINES = f"""
    SELECT format('line %s of %s prints %s for %s, which is not that to the nearest minor unit up or down',
                  l.position, i.number, {shown("l.amount")}, {shown("l.exact_amount")}) AS sentence
    FROM invoices i JOIN invoice_lines l USING (invoice_id)
    WHERE {in_documents("i.invoice_id")}
      AND (l.amount <> round(l.amount, {_DIGITS})
        OR abs(l.amount - l.exact_amount) >= power(10::numeric, -{_DIGITS}))
"""

_SAME_NUMBER = """
    SELECT format('number %s is on %s documents', number, count(*)) AS sentence
    FROM invoices GROUP BY number HAVING count(*) > 1
"""
_SAME_PLACE = """
    SELECT format('%s documents have place %s of series %s: %s', count(*), ordinal, series,
                  string_agg(number, ', ' ORDER BY number)) AS sentence
    FROM invoices WHERE series IS NOT NULL GROUP BY series, ordinal HAVING count(*) > 1
"""
_OTHER_PLACE = r"""
    SELECT format('document %s is counted as number %s of series %s', number, ordinal, series) AS sentence
    FROM invoices LEFT JOIN number_counters c USING (series)
    WHERE series IS NOT NULL
      AND (number !~ format('^%s-\d{8}-0*%s$', series, ordinal) OR c.series IS NULL OR ordinal > c.last_ordinal
        OR series <> CASE kind WHEN 'invoice' THEN 'INV' ELSE 'CN' END)
"""

# Which places of a series no document of it has; whether a number given by hand explains one is for
# `numbering.ordinal_in` to say.
MISSING_PLACES = """
    SELECT c.series, place FROM number_counters c
    CROSS JOIN LATERAL generate_series(1, c.last_ordinal) place
    WHERE NOT EXISTS (SELECT FROM invoices i WHERE i.series = c.series AND i.ordinal = place)
    ORDER BY c.series, place
"""

_CONTENT = f"""
    SELECT format('%s (%s) no longer says what was issued: its content hash is %s, not %s', number, status,
                  encode(invoice_content_hash(invoice_id), 'hex'),
                  coalesce(encode(content_hash, 'hex'), 'none')) AS sentence
    FROM invoices i
    WHERE {in_documents("invoice_id")}
      AND (content_hash IS NOT NULL OR status IN ('sent', 'overdue', 'paid')
        OR EXISTS (SELECT FROM invoices n WHERE n.credits_invoice_id = i.invoice_id))
      AND content_hash IS DISTINCT FROM invoice_content_hash(invoice_id)
"""

# `:actions` are those that tell of a status, `:moves` the edges of the transition table, like 'draft>sent'.
_HISTORY = f"""
    SELECT format('%s is %s, but its history %s', number, status,
        CASE WHEN seq IS NULL THEN 'is empty'
             WHEN step = 1 AND NOT is_begun THEN format('begins with %s', action)
             WHEN NOT is_allowed THEN format('has %s from %s to %s at entry %s, where it was %s', action,
                  coalesce(before, 'none'), coalesce(after, 'none'), seq, coalesce(previous, 'none'))
             ELSE format('ends in %s', coalesce(after, 'none')) END) AS sentence
    FROM (
        SELECT *,
            coalesce(CASE kind WHEN 'invoice' THEN action = 'invoice.drafted' AND after = 'draft'
                               ELSE action = 'credit_note.made' AND after = 'paid' END, false) AS is_begun,
            coalesce(CASE WHEN step = 1 THEN true
                          WHEN action = 'invoice.refreshed' THEN previous = 'draft' AND after = 'draft'
                          ELSE action = 'invoice.' || after AND before = previous
                              AND before || '>' || after = ANY (CAST(:moves AS text[])) END, false) AS is_allowed
        FROM (SELECT i.number, i.kind, i.status, e.seq, e.action, e.before ->> 'status' AS before,
                  e.after ->> 'status' AS after, lag(e.after ->> 'status') OVER told AS previous,
                  row_number() OVER told AS step, lead(e.seq) OVER told IS NULL AS is_last
              FROM invoices i
              LEFT JOIN audit_log e ON e.subject_kind = 'invoice' AND e.subject_id = i.number
                  AND e.action = ANY (CAST(:actions AS text[]))
              WHERE {in_documents("i.invoice_id")}
              WINDOW told AS (PARTITION BY i.invoice_id ORDER BY e.seq)) steps) judged
    WHERE seq IS NULL OR (step = 1 AND NOT is_begun) OR NOT is_allowed
       OR (is_last AND after IS DISTINCT FROM status)
"""

_CURRENCY = """
    SELECT format('document %s is in %s, but the ledger is in %s', number, currency,
                  coalesce((SELECT currency FROM ledger_settings), 'no currency yet')) AS sentence
    FROM invoices WHERE currency IS DISTINCT FROM (SELECT currency FROM ledger_settings)
"""

_NOT_FINITE = "('NaN'::numeric, 'Infinity'::numeric, '-Infinity'::numeric)"


def _finite() -> tuple[str, ...]:
    """One query per table, over all its amounts."""
    queries = []
    for table in Base.metadata.sorted_tables:
        amounts = [
            c.name for c in table.columns if getattr(c.type, "name", "") in ("amount", "raw_amount")
        ]
        if amounts:
            keys = " || ', ' || ".join(f"'{key.name} ' || {key.name}" for key in table.primary_key)
            values = " || ', ' || ".join(f"'{name} ' || coalesce({name}, 0)" for name in amounts)
            strange = " OR ".join(f"{name} IN {_NOT_FINITE}" for name in amounts)
            queries.append(
                f"SELECT '{table.name} ' || {keys} || ' has ' || {values} AS sentence FROM {table.name} WHERE {strange}"
            )
    return tuple(queries)


TOTALS_ADD_UP = Invariant(
    7,
    "printed lines add up to the subtotal, subtotal and tax to the total",
    (_TOTALS, _PRINTED_LINES),
)
NUMBERS_GAPLESS = Invariant(
    8, "numbers are unique, and gapless in their series", (_SAME_NUMBER, _SAME_PLACE, _OTHER_PLACE)
)
CONTENT_UNCHANGED = Invariant(9, "issued documents say what was issued", (_CONTENT,))
HISTORY_ALLOWED = Invariant(
    10, "each status was reached by allowed moves, all of them told", (_HISTORY,)
)
AMOUNTS_FINITE = Invariant(12, "every amount is a number, in one currency", (*_finite(), _CURRENCY))
