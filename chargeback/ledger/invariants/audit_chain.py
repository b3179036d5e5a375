"""Invariant 11: nothing in the audit log was changed, taken out or put in."""

from chargeback.ledger.invariants.invariant import Invariant

_ENTRIES = """
    SELECT format('audit entry %s (%s of %s %s) %s', seq, action, subject_kind, subject_id,
        CASE WHEN seq <> coalesce(previous_seq, 0) + 1
                 THEN format('does not follow on the one before, %s', coalesce(previous_seq, 0))
             WHEN prev_hash <> coalesce(previous_hash, decode(repeat('00', 32), 'hex'))
                 THEN 'does not name the hash of the one before it'
             ELSE 'does not hash to what was stored' END) AS sentence
    FROM (SELECT e.*, audit_hash(e) AS true_hash, lag(e.seq) OVER told AS previous_seq,
              lag(e.hash) OVER told AS previous_hash
          FROM audit_log e WINDOW told AS (ORDER BY e.seq)) chain
    WHERE seq <> coalesce(previous_seq, 0) + 1 OR hash <> true_hash
       OR prev_hash <> coalesce(previous_hash, decode(repeat('00', 32), 'hex'))
"""

_HEAD = """
    SELECT format('the audit chain ends at entry %s, but its head is at %s', coalesce(e.seq, 0),
                  coalesce(h.seq::text, 'nothing')) AS sentence
    FROM (VALUES (1)) one
    LEFT JOIN (SELECT seq, hash FROM audit_log ORDER BY seq DESC LIMIT 1) e ON true
    LEFT JOIN audit_head h ON true
    WHERE (h.seq, h.hash) IS DISTINCT FROM (coalesce(e.seq, 0), coalesce(e.hash, decode(repeat('00', 32), 'hex')))
"""

CHAIN_UNBROKEN = Invariant(11, "the audit chain is unbroken", (_ENTRIES, _HEAD))
