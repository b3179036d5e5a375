"""One hash that two ledgers share when they say the same, however their work was cut up.

Covers usage facts, refused rows, snapshots that had to wait, allocations summed per payer, reallocations, documents
with their lines, and claims summed per line. Leaves out what depends on how the work was divided or when it was done:
batches, cells, pools, runs, the audit log, revisions, clocks and all internal ids. Call it in a `database.snapshot()`.
"""

from datetime import date
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, text

from chargeback.ledger import archives
from chargeback.periods import Period

# A month's records that were archived are in the digest as they were when they were dropped.
# Internal ids are replaced by names, amounts lose the zeros of their columns, instants are UTC. Every
# query is in an order of its own facts, in the C collation, so that equal facts make equal bytes.
_USAGE = """
    SELECT s.name, external_id, revision, usage_id, usage_at AT TIME ZONE 'UTC', usage_date, charge_date,
        team_id, user_id, agent_id, account_id, owner_tag, resource_type, sku, unit, trim_scale(quantity),
        trim_scale(cost), trim_scale(residual), record_count, content_hash, trim_scale(original_cost),
        original_currency, trim_scale(exchange_rate), trim_scale(repriced)
    FROM usage_records LEFT JOIN usage_sources s USING (source_id)
    WHERE usage_at >= '{start}' AND usage_at < '{end}'
    ORDER BY usage_id, revision, usage_at, s.name COLLATE "C", external_id COLLATE "C"
"""

_QUARANTINE = """
    SELECT s.name, row_hash, state, usage_date, code, trim_scale(raw_cost), currency, booked_as
    FROM usage_quarantine JOIN usage_sources s USING (source_id) ORDER BY s.name COLLATE "C", row_hash
"""

_SNAPSHOTS = """
    SELECT s.name, c.period_start, c.account, n.content_hash, n.state, n.row_count, trim_scale(n.cost), n.refused_count
    FROM usage_snapshots n JOIN usage_scopes c USING (scope_id) JOIN usage_sources s USING (source_id)
    ORDER BY s.name COLLATE "C", c.period_start, c.account COLLATE "C", n.snapshot_id
"""

_ALLOCATIONS = """
    SELECT a.usage_date, a.team_id, a.user_id, r.rule_id, r.version, s.name, p.resource_type, p.unit,
        trim_scale(sum(a.cost)), trim_scale(sum(a.quantity))
    FROM allocations a JOIN cost_pools p USING (pool_id) JOIN allocation_rules r USING (rule_key)
    LEFT JOIN usage_sources s USING (source_id)
    WHERE p.retired_at IS NULL
      AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)
    GROUP BY a.usage_date, a.team_id, a.user_id, r.rule_id, r.version, s.name, p.resource_type, p.unit
    ORDER BY a.usage_date, a.team_id COLLATE "C", a.user_id COLLATE "C", r.rule_id COLLATE "C", r.version,
        s.name COLLATE "C", p.resource_type COLLATE "C", p.unit COLLATE "C"
"""

_DOCUMENTS = """
    SELECT i.public_id, i.kind, i.number, i.status, i.is_stale, i.scope, i.team_id, i.user_id, i.period_start,
        i.period_end, i.occurrence, i.is_from_run, i.currency, trim_scale(i.exact_total), trim_scale(i.subtotal),
        trim_scale(i.rounding_difference), trim_scale(i.tax_rate), trim_scale(i.tax), trim_scale(i.total),
        i.net_days, i.issue_date, i.due_date, i.paid_date, i.bill_to, i.held_elsewhere, c.number,
        encode(i.content_hash, 'hex')
    FROM invoices i LEFT JOIN invoices c ON c.invoice_id = i.credits_invoice_id
    ORDER BY i.number COLLATE "C"
"""

_LINES = """
    SELECT i.number, l.position, l.kind, l.late_month, l.cause, l.resource_type, l.unit, l.description, l.team_id,
        trim_scale(l.quantity), trim_scale(l.exact_amount), trim_scale(l.amount)
    FROM invoice_lines l JOIN invoices i USING (invoice_id) ORDER BY i.number COLLATE "C", l.position
"""

_REALLOCATIONS = """
    SELECT period_start, period_end, reason, booked_by FROM reallocations
    ORDER BY period_start, period_end, reason COLLATE "C", booked_by COLLATE "C"
"""

_CLAIMS = """
    SELECT i.number, l.position, n.number, r.position, trim_scale(sum(a.cost)), trim_scale(sum(a.quantity))
    FROM line_allocations c JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
    LEFT JOIN allocations a USING (allocation_id)
    LEFT JOIN invoice_lines r ON r.line_id = c.released_by_line_id
    LEFT JOIN invoices n ON n.invoice_id = r.invoice_id
    GROUP BY i.number, l.position, n.number, r.position
    ORDER BY i.number COLLATE "C", l.position, n.number COLLATE "C", r.position
"""

PARTS = {
    "quarantine": _QUARANTINE,
    "snapshots": _SNAPSHOTS,
    "allocations": _ALLOCATIONS,
    "reallocations": _REALLOCATIONS,
    "documents": _DOCUMENTS,
    "lines": _LINES,
    "claims": _CLAIMS,
}
_BLOCK_BYTES = 1 << 20


def digest(connection: Connection) -> str:
    """The SHA-256 of what the ledger says, in hexadecimal digits."""
    return whole(parts(connection))


def whole(hashes: dict[str, str]) -> str:
    """The digest of a ledger whose parts have these hashes."""
    return sha256("".join(f"{name} {part}\n" for name, part in hashes.items()).encode()).hexdigest()


def parts(connection: Connection) -> dict[str, str]:
    """One hash per part, so that a difference between two ledgers can be located."""
    for setting in ("work_mem = '128MB'", "DateStyle = 'ISO'", "bytea_output = 'hex'"):
        connection.execute(text(f"SET LOCAL {setting}"))
    return {
        "usage": _usage(connection),
        **{name: _hash(connection, query) for name, query in PARTS.items()},
    }


def _usage(connection: Connection) -> str:
    """The hash of all usage facts: of each month's, so that it says the same while a month lies in the archive."""
    archived = {
        one.month: one.digest for one in archives.archives(connection) if one.state == "archived"
    }
    held = {
        month: month_digest(connection, month) for month in archives.partition_months(connection)
    }
    # A month is in the archive or here; both is for `verify` to find, and another digest.
    lines = [f"{month} {digest}\n" for month, digest in sorted([*archived.items(), *held.items()])]
    return sha256("".join(lines).encode()).hexdigest()


def month_digest(connection: Connection, month: date) -> str:
    """The hash of the usage facts of a month (UTC) that lie in the ledger's own tables."""
    after = Period.month_of(month).end
    connection.execute(text("SET LOCAL DateStyle = 'ISO'"))
    query = _USAGE.format(start=f"{month} 00:00:00+00", end=f"{after} 00:00:00+00")
    return _hash(connection, query)


class _Hashing:
    """A file that keeps the hash of what is written to it and nothing else."""

    def __init__(self) -> None:
        self.sha256 = sha256()

    def write(self, block: bytes) -> None:
        self.sha256.update(block)


def _hash(connection: Connection, query: str) -> str:
    """The hash of a query's rows, streamed, so that memory does not grow with their number."""
    driver: Any = connection.connection.driver_connection
    sink = _Hashing()
    with driver.cursor() as cursor:
        cursor.copy_expert(f"COPY ({query}) TO STDOUT", sink, _BLOCK_BYTES)
    return sink.sha256.hexdigest()
