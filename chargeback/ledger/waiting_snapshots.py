"""Snapshots that wait: what a person sees of them, and what a person decides.

Accepting books the delivery as it was kept; rejecting lets what is held stay. Both are final for that
delivery, which when it comes again is not asked about again.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from chargeback.errors import Invalid, NotFound, Refused
from chargeback.ledger import audit, usage
from chargeback.ledger.database import transaction
from chargeback.ledger.revaluation import revalue
from chargeback.ledger.snapshot_rows import DELIVERED
from chargeback.ledger.snapshot_settling import (
    DeliveredScope,
    ScopeCounts,
    booked,
    decide,
    lock_source,
)
from chargeback.ledger.snapshots import FACTS, SAID, HeldScope, compare, find_scope
from chargeback.periods import Period
from chargeback.sources.contract import Scope
from models.enums import SnapshotState

_ROWS = """
    SELECT n.snapshot_id, n.scope_id, s.name AS source, c.source_id, c.period_start, c.period_end, c.account,
        n.delivery, n.row_count, n.cost, n.held_count, n.held_cost, n.refused_count, n.reasons, n.state, n.arrived_at,
        n.decided_at, n.decided_by, n.decision
    FROM usage_snapshots n JOIN usage_scopes c USING (scope_id) JOIN usage_sources s USING (source_id)
"""
_ACCEPTED_ROWS = 1


@dataclass(frozen=True)
class Looked:
    """A snapshot with what a person needs to decide: what would change, by cost, and its refused rows.

    `changes` are (resource type, SKU, held rows and cost, delivered rows and cost), the largest first.
    """

    snapshot: Any
    changes: list[Any]
    refused: list[Any]


@dataclass(frozen=True)
class Decided:
    """What a person's decision on a snapshot did; no counts where it was rejected."""

    snapshot_id: int
    state: SnapshotState
    counts: ScopeCounts


def rows(connection: Connection, state: str | None = "waiting", limit: int = 1000) -> list[Any]:
    """Deliveries that were refused whole, oldest first; `state` None for all."""
    return list(
        connection.execute(
            text(f"""{_ROWS} WHERE CAST(:state AS text) IS NULL OR n.state = :state
                     ORDER BY n.snapshot_id LIMIT :limit"""),
            {"state": state, "limit": limit},
        )
    )


# Beside what is held now, which may be more than when the delivery came.
_CHANGES = text("""
    SELECT resource_type, sku,
        coalesce(h.rows, 0) AS held_rows, coalesce(h.cost, 0) AS held_cost,
        coalesce(d.rows, 0) AS delivered_rows, coalesce(d.cost, 0) AS delivered_cost
    FROM (SELECT resource_type, coalesce(sku, '') AS sku, sum(record_count) AS rows, sum(cost) AS cost
          FROM usage_records WHERE scope_id = :scope_id AND usage_at >= :from AND usage_at < :to
          GROUP BY 1, 2) h
    FULL JOIN (SELECT resource_type, coalesce(sku, '') AS sku, count(*) AS rows, sum(cost) AS cost
               FROM waiting_usage WHERE snapshot_id = :id GROUP BY 1, 2) d USING (resource_type, sku)
    WHERE (coalesce(h.rows, 0), coalesce(h.cost, 0)) <> (coalesce(d.rows, 0), coalesce(d.cost, 0))
    ORDER BY abs(coalesce(h.cost, 0) - coalesce(d.cost, 0)) DESC, resource_type COLLATE "C", sku COLLATE "C"
    LIMIT :limit
""")


def look(connection: Connection, snapshot_id: int, limit: int) -> Looked:
    """What a person looks at before deciding: at most `limit` changes and refused rows. Raises NotFound."""
    found = _find(connection, snapshot_id)
    refused = connection.execute(
        text("""SELECT position, code, reason, raw_cost, state FROM usage_quarantine WHERE snapshot_id = :id
                ORDER BY position, quarantine_id LIMIT :limit"""),
        {"id": snapshot_id, "limit": limit},
    )
    changes: list[Any] = []
    if found.state == SnapshotState.WAITING and found.account is not None:
        scope = Scope(found.period_start, found.period_end, found.account)
        held = HeldScope(found.scope_id, found.source_id, found.source, scope)
        values = {"id": snapshot_id, "limit": limit, **held.bounds}
        changes = list(connection.execute(_CHANGES, values))
    return Looked(found, changes, list(refused))


def waiting_count(connection: Connection, period: Period) -> int:
    """How many deliveries keep the period from closing: of scopes that reach into it, or of unknown ones."""
    count: int = connection.execute(
        text("""SELECT count(*) FROM usage_snapshots n JOIN usage_scopes c USING (scope_id)
                JOIN usage_sources s USING (source_id)
                WHERE n.state = 'waiting' AND s.role = 'allocate' AND (c.period_start IS NULL
                   OR (c.period_start < :end AND c.period_end > :start))"""),
        {"start": period.start, "end": period.end},
    ).scalar_one()
    return count


def accept(snapshot_id: int, reason: str, actor: str) -> Decided:
    """Book a waiting delivery as it was kept; its refused rows are waived for the same reason.

    Raises NotFound, Refused when it is decided already, Invalid without a reason.
    """
    with transaction() as connection:
        usage.ensure_partitions(connection, _months(connection, snapshot_id))
    with transaction() as connection:
        found, role = _waiting(connection, snapshot_id, reason)
        scope = found.account is not None and Scope(
            found.period_start, found.period_end, found.account
        )
        _stage_kept(connection, snapshot_id)
        held = find_scope(connection, found.source_id, found.source, scope or None)
        difference = compare(connection, held, _ACCEPTED_ROWS)
        counts = ScopeCounts()
        if found.row_count:
            delivered = DeliveredScope(_ACCEPTED_ROWS, held.scope, found.delivery)
            counts = booked(connection, held, delivered, difference, role)
        _decide(connection, found, SnapshotState.ACCEPTED, actor, reason)
    revalue()  # A rate may have changed while it waited.
    return Decided(snapshot_id, SnapshotState.ACCEPTED, counts)


def reject(snapshot_id: int, reason: str, actor: str) -> Decided:
    """Let what is held stay; the delivery's refused rows are waived for the same reason.

    Raises NotFound, Refused when it is decided already, Invalid without a reason.
    """
    with transaction() as connection:
        found, _ = _waiting(connection, snapshot_id, reason)
        _decide(connection, found, SnapshotState.REJECTED, actor, reason)
    return Decided(snapshot_id, SnapshotState.REJECTED, ScopeCounts())


def _waiting(connection: Connection, snapshot_id: int, reason: str) -> tuple[Any, str]:
    """The delivery, which waits, and its source's role; its source's turn is ours."""
    if not reason.strip():
        raise Invalid(
            "reason_missing", f"say why you decide so on snapshot {snapshot_id}: --reason '...'"
        )
    role = lock_source(connection, _find(connection, snapshot_id).source_id)
    found = _find(connection, snapshot_id)
    if found.state != SnapshotState.WAITING:
        raise Refused(
            "snapshot_decided",
            f"snapshot {snapshot_id} is {found.state} already ({found.decision}); "
            "`chargeback snapshots list` shows what waits",
        )
    return found, role


def _find(connection: Connection, snapshot_id: int) -> Any:
    found = connection.execute(
        text(f"{_ROWS} WHERE n.snapshot_id = :id"), {"id": snapshot_id}
    ).first()
    if found is None:
        raise NotFound(
            "snapshot_not_found",
            f"there is no snapshot {snapshot_id}; `chargeback snapshots list` shows what waits",
        )
    return found


def _months(connection: Connection, snapshot_id: int) -> set[tuple[int, int]]:
    found = connection.execute(
        text("""SELECT DISTINCT CAST(date_trunc('month', usage_at AT TIME ZONE 'UTC') AS date) FROM waiting_usage
                WHERE snapshot_id = :id"""),
        {"id": snapshot_id},
    ).scalars()
    months: list[date] = list(found)
    return {(month.year, month.month) for month in months}


def _stage_kept(connection: Connection, snapshot_id: int) -> None:
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.delivered"))
    connection.execute(text(f"CREATE TEMPORARY TABLE delivered ({DELIVERED}) ON COMMIT DROP"))
    connection.execute(
        text(f"""INSERT INTO delivered (scope_no, position, content_hash, residual, {FACTS}, {SAID})
                 SELECT :number, position, content_hash, residual, {FACTS}, {SAID} FROM waiting_usage
                 WHERE snapshot_id = :id"""),  # noqa: S608 - made of constants only
        {"id": snapshot_id, "number": _ACCEPTED_ROWS},
    )
    connection.execute(text("ANALYZE pg_temp.delivered (scope_no, content_hash)"))


def _decide(
    connection: Connection, found: Any, state: SnapshotState, actor: str, reason: str
) -> None:
    decide(connection, found.snapshot_id, state, actor, reason)
    period = found.period_start.isoformat() if found.period_start else None
    what = {"source": found.source, "period": period, "account": found.account}
    audit.append(
        connection,
        audit.Entry(actor, f"snapshot.{state.value}", "snapshot", str(found.snapshot_id),
                    {**what, "state": "waiting"}, {**what, "state": state.value}, reason),
    )  # fmt: skip
