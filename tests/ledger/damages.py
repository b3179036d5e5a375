"""One way to break each invariant on purpose, and what verify must say of it.

The statements run as superuser with all triggers off, on the books of the year-end story. Where cost
cannot go missing in one place only, the other invariants that must tell of it too are named.
"""

from dataclasses import dataclass

from tests.ledger.year_end import (
    ETL,
    LAB,
    LAB_CREDIT,
    LAB_IN_NOVEMBER,
    OPS_IN_NOVEMBER,
    SUPPORT,
    SUPPORT_CREDIT,
)


@dataclass(frozen=True)
class Damage:
    """`what` is done by `statements`; the invariants `found` must tell of it, one saying `told`."""

    what: str
    found: set[int]
    told: str
    statements: tuple[str, ...]


def _claims_of(number: str) -> str:
    return f"""line_id IN (SELECT line_id FROM invoice_lines JOIN invoices USING (invoice_id)
                           WHERE number = '{number}')"""


def _line_of(number: str) -> str:
    return (
        f"invoice_id = (SELECT invoice_id FROM invoices WHERE number = '{number}') AND position = 1"
    )


def _hash_again(number: str) -> str:
    return f"UPDATE invoices SET content_hash = invoice_content_hash(invoice_id) WHERE number = '{number}'"


_UNATTRIBUTED = "team_id IS NULL AND user_id IS NULL"
# The pools that nobody bears are on no document, so that they can be broken alone.
_NOBODYS_POOLS = f"pool_id IN (SELECT pool_id FROM allocations WHERE {_UNATTRIBUTED})"
_ONE_OF_NOBODYS = f"pool_id = (SELECT min(pool_id) FROM allocations WHERE {_UNATTRIBUTED})"
_ITS_DAY = f"usage_date = (SELECT usage_date FROM cost_pools WHERE {_ONE_OF_NOBODYS})"
_FORGET_THE_POOL = (
    f"DELETE FROM pool_cells WHERE {_ONE_OF_NOBODYS}",
    f"DELETE FROM cost_pools WHERE {_ONE_OF_NOBODYS}",
    f"DELETE FROM allocations WHERE {_ONE_OF_NOBODYS}",
)

USAGE = (
    Damage("a fact is held under another one's id", {1}, "usage ten of source tracker is held 2 times", (
        "UPDATE usage_records SET external_id = 'ten' WHERE external_id = 'half'",)),
    Damage("a manifest counts a row too many", {2}, "accounts for", (
        "ALTER TABLE usage_manifests DROP CONSTRAINT received_is_accounted_for",
        "UPDATE usage_manifests SET received_count = received_count + 1 WHERE usage_date = '2026-10-20'")),
    Damage("a manifest books cost as residual", {2}, "the manifest differs from the cells by cost 1, residual -1", (
        "UPDATE usage_manifests SET cost = cost + 1, residual = residual - 1 WHERE usage_date = '2026-10-20'",)),
    Damage("a cell names another agent than its records", {2}, "agent agent-x differ by cost -3", (
        "UPDATE usage_cells SET agent_id = 'agent-x' WHERE user_id = 'u-solo'",)),
    Damage("a record is gone", {2, 5}, "differ by cost -3, quantity -1, -1 records", (
        "DELETE FROM usage_records WHERE external_id = 'solo'",)),
    Damage("a record costs more than it did", {2, 5}, "2026-10-20 has usage of 4", (
        "UPDATE usage_records SET cost = cost + 1 WHERE external_id = 'solo'",)),
    Damage("cells are of a batch that is still open", {2, 5}, "which is still open", (
        ("UPDATE usage_batches SET sealed_at = NULL WHERE batch_id IN"
        " (SELECT batch_id FROM usage_records WHERE external_id = 'november')"),)),
    Damage("cells are of no batch", {2, 14}, "which does not exist", (
        ("DELETE FROM usage_batches WHERE batch_id IN"
        " (SELECT batch_id FROM usage_records WHERE external_id = 'november')"),)),
    Damage("a refused row costs more than it did", {14}, "open quarantine 8", (
        "UPDATE usage_quarantine SET raw_cost = 8 WHERE external_id = 'open'",)),
    Damage("a refused row without a day is gone", {14}, "unknown days: came in refused 6 (1 rows)", (
        "DELETE FROM usage_quarantine WHERE external_id = 'undated'",)),
    Damage("a refused row counts as booked and is not", {14}, "undated of source tracker (6) counts as delivered", (
        "UPDATE usage_quarantine SET state = 'replaced', decided_at = now() WHERE external_id = 'undated'",)),
)  # fmt: skip

POOLS = (
    Damage("a payer bears a larger quantity", {3}, "in quantity", (
        f"UPDATE allocations SET quantity = quantity + 1 WHERE {_UNATTRIBUTED}",)),
    Damage("a payer bears more cost", {3, 5, 14}, "its allocations", (
        f"UPDATE allocations SET cost = cost + 1 WHERE {_UNATTRIBUTED}",)),
    Damage("allocations are of a pool that is not there", {3, 14}, "of pool -1, which does not exist", (
        f"UPDATE allocations SET pool_id = -1 WHERE {_ONE_OF_NOBODYS}",)),
    Damage("an allocation is of another day than its pool", {3, 5}, "2027-01-01 has usage of 0, but allocations", (
        f"UPDATE allocations SET usage_date = '2027-01-01' WHERE {_ONE_OF_NOBODYS}",)),
    Damage("a cell is in its pool twice", {3, 4}, "is in 2 pools", (
        "ALTER TABLE pool_cells DROP CONSTRAINT pool_cells_pkey",
        f"INSERT INTO pool_cells SELECT * FROM pool_cells WHERE {_ONE_OF_NOBODYS} LIMIT 1")),
    Damage("a cell is in a pool that is not there", {3, 4}, "is in pool -1, which does not exist", (
        f"UPDATE pool_cells SET pool_id = -1 WHERE {_ONE_OF_NOBODYS}",)),
    Damage("a pool holds a cell that is not there", {4}, "is in pool 1, but does not exist", (
        "INSERT INTO pool_cells (cell_id, pool_id) VALUES (-1, 1)",)),
    Damage("a pool is of another unit than its cells", {4}, "of another day, source, resource type or unit", (
        f"UPDATE cost_pools SET unit = 'parsec' WHERE {_NOBODYS_POOLS}",)),
    Damage("a living pool keeps cells as if it was retired", {3, 4}, "as if that was retired", (
        f"INSERT INTO retired_pool_cells SELECT pool_id, cell_id FROM pool_cells WHERE {_ONE_OF_NOBODYS} LIMIT 1",)),
    Damage("a cell of a source that is only reconciled is in a pool", {3, 4}, "but its source is not allocated", (
        "INSERT INTO pool_cells (cell_id, pool_id) SELECT cell_id, 1 FROM usage_cells WHERE cost = 99",)),
    Damage("an allocated day has cells in no pool", {5}, "and the day is counted as allocated", _FORGET_THE_POOL),
    Damage("allocation does not know of a day", {5}, "and the day is not known to allocation", (
        f"DELETE FROM allocation_days WHERE {_ITS_DAY}", *_FORGET_THE_POOL)),
)  # fmt: skip

CLAIMS = (
    Damage("an allocation is claimed by two documents", {6, 14}, "is claimed 2 times", (
        "DROP INDEX claimed_once",
        (f"INSERT INTO line_allocations SELECT l.line_id, c.allocation_id FROM line_allocations c, invoice_lines l"
        f" WHERE c.{_claims_of(ETL)} AND l.{_line_of(LAB_IN_NOVEMBER)} LIMIT 1"))),
    Damage("a draft's line has another quantity", {6}, f"line 1 of {LAB_IN_NOVEMBER} is 2 for 2", (
        f"UPDATE invoice_lines SET quantity = quantity + 1 WHERE {_line_of(LAB_IN_NOVEMBER)}",)),
    Damage("a document claims what another bears", {6}, "borne by team team-x, user u-ops", (
        "UPDATE allocations SET team_id = 'team-x' WHERE team_id = 'team-ops'",)),
    Damage("a document claims what is of another period", {6}, "outside its period", (
        "UPDATE invoices SET period_start = '2026-11-06' WHERE number = 'INV-20261201-0009'",)),
    Damage("late usage is of another month", {6}, "not late usage for 2026-08", (
        "UPDATE invoice_lines SET late_month = '2026-08-01' WHERE kind = 'late'",)),
    Damage("a line claims what is of another unit", {6}, "of tokens in tokens", (
        f"UPDATE invoice_lines SET unit = 'parsec' WHERE {_line_of(LAB_IN_NOVEMBER)}",)),
    Damage("a claim is on nothing", {6}, "allocation -5 of no day (0), which does not exist", (
        f"UPDATE line_allocations SET allocation_id = -5 WHERE {_claims_of(OPS_IN_NOVEMBER)}",)),
    Damage("a draft's claims are released", {6}, "released, but the document is draft", (
        ("UPDATE line_allocations SET released_by_line_id = (SELECT max(line_id) FROM invoice_lines)"
        f" WHERE {_claims_of(OPS_IN_NOVEMBER)}"),)),
    Damage("a claim is released by a stranger", {6}, "released by another document than its credit note", (
        ("UPDATE line_allocations SET released_by_line_id = (SELECT max(line_id) FROM invoice_lines)"
        f" WHERE {_claims_of(SUPPORT)}"),)),
    Damage("a cancelled invoice holds on to a retired pool", {6}, "of a retired pool", (
        (f"UPDATE line_allocations SET released_by_line_id = NULL WHERE {_claims_of(SUPPORT)}"
        " AND allocation_id IN (SELECT allocation_id FROM allocations JOIN cost_pools USING (pool_id)"
        " WHERE retired_at IS NOT NULL)"),)),
    Damage("a cancelled draft holds claims", {6, 10}, "and is a cancelled draft", (
        f"UPDATE invoices SET status = 'cancelled' WHERE number = '{OPS_IN_NOVEMBER}'",)),
    Damage("a credit note has other lines", {6}, f"line 1 of {LAB} (4) and of its credit note {LAB_CREDIT} (-4)", (
        f"UPDATE invoice_lines SET quantity = quantity + 1 WHERE {_line_of(LAB_CREDIT)}",
        _hash_again(LAB_CREDIT))),
    Damage("a credit note has another total", {6}, "do not add to 0 in every amount", (
        f"UPDATE invoices SET tax_rate = 0, tax = 0, total = subtotal WHERE number = '{SUPPORT_CREDIT}'",
        _hash_again(SUPPORT_CREDIT))),
    Damage("a cancelled invoice lost its credit note", {6, 8}, f"{LAB} is cancelled after issue and has no credit", (
        f"DELETE FROM invoice_lines WHERE invoice_id = (SELECT invoice_id FROM invoices WHERE number = '{LAB_CREDIT}')",
        f"DELETE FROM invoices WHERE number = '{LAB_CREDIT}'")),
)  # fmt: skip

DOCUMENTS = (
    Damage("a printed line is a cent more", {7}, f"{OPS_IN_NOVEMBER}: lines print 1.01", (
        f"UPDATE invoice_lines SET amount = amount + 0.01 WHERE {_line_of(OPS_IN_NOVEMBER)}",)),
    Damage("printed lines are off and still add up", {7}, "prints 2.01 for 2", (
        ("UPDATE invoice_lines SET amount = amount + CASE position WHEN 1 THEN 0.01 ELSE -0.01 END"
        f" WHERE {_claims_of(LAB_IN_NOVEMBER)}"),)),
    Damage("a subtotal is rounded to the wrong cent", {7}, "rounding 0.01, subtotal 1.01", (
        ("UPDATE invoices SET subtotal = subtotal + 0.01, rounding_difference = 0.01, total = total + 0.01"
        f" WHERE number = '{OPS_IN_NOVEMBER}'"),)),
    Damage("tax is not its rate of the subtotal", {7}, "tax 0.5 at 0, total 1.5", (
        f"UPDATE invoices SET tax = 0.5, total = total + 0.5 WHERE number = '{OPS_IN_NOVEMBER}'",)),
    Damage("two documents have one number", {8}, f"number {LAB_IN_NOVEMBER} is on 2 documents", (
        "ALTER TABLE invoices DROP CONSTRAINT invoices_number_key",
        f"UPDATE invoices SET number = '{LAB_IN_NOVEMBER}' WHERE number = '{OPS_IN_NOVEMBER}'")),
    Damage("the counter gave a number that is nowhere", {8}, "no document has place 10 of series INV", (
        "UPDATE number_counters SET last_ordinal = 10 WHERE series = 'INV'",)),
    Damage("a number is counted as another one", {8}, f"{OPS_IN_NOVEMBER} is counted as number 10 of series INV", (
        f"UPDATE invoices SET ordinal = 10 WHERE number = '{OPS_IN_NOVEMBER}'",)),
    Damage("an issued document names another payer", {9}, f"{ETL} (paid) no longer says what was issued", (
        f"UPDATE invoices SET bill_to = jsonb_set(bill_to, '{{name}}', '\"X\"') WHERE number = '{ETL}'",)),
    Damage("a status was changed without telling", {10}, f"{ETL} is overdue, but its history ends in paid", (
        f"UPDATE invoices SET status = 'overdue' WHERE number = '{ETL}'",)),
    Damage("a status was reached by a move there is not", {10}, "has invoice.sent from paid to sent at entry", (
        """SELECT audit_append('[{"actor": "x", "action": "invoice.sent", "subject_kind": "invoice",
            "subject_id": "INV-20261101-0001", "before": {"status" : "paid"}, "after": {"status" : "sent"}}]')""",
        f"UPDATE invoices SET status = 'sent' WHERE number = '{ETL}'")),
    Damage("an audit entry gives another reason", {11}, "does not hash to what was stored", (
        "UPDATE audit_log SET reason = 'x' WHERE seq = 3",)),
    Damage("an audit entry is gone", {11}, "does not follow on the one before, 2", (
        "DELETE FROM audit_log WHERE seq = 3",)),
    Damage("an audit entry was added without its head", {11}, "but its head is at", (
        ("INSERT INTO audit_log SELECT seq + 1, at, actor, action, 'x', 'x', before, after, reason, run_id, hash, hash"
        " FROM audit_log ORDER BY seq DESC LIMIT 1"),
        "UPDATE audit_log e SET hash = audit_hash(e) WHERE subject_kind = 'x'")),
    Damage("an amount is no number", {12}, "allocations allocation_id", (
        "ALTER DOMAIN amount DROP CONSTRAINT amount_check",
        f"UPDATE allocations SET weight = 'NaN' WHERE {_ONE_OF_NOBODYS}")),
    Damage("a document is in another currency", {12}, f"{OPS_IN_NOVEMBER} is in EUR, but the ledger is in USD", (
        f"UPDATE invoices SET currency = 'EUR' WHERE number = '{OPS_IN_NOVEMBER}'",)),
)  # fmt: skip

DAMAGES = USAGE + POOLS + CLAIMS + DOCUMENTS
