"""What becomes of a delivered scope: nothing where it says what is held, else it is booked or waits.

Owns that decision and the keeping of what waits, in one transaction per scope: killed anywhere, a scope is
as it was or as it was delivered. What waits is decided by a person (`waiting_snapshots`) or replaced by a
better delivery.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from chargeback.identity import public_id
from chargeback.ledger import batches, usage
from chargeback.ledger.snapshots import (
    FACTS,
    SAID,
    Difference,
    HeldScope,
    book,
    compare,
    find_scope,
)
from chargeback.ledger.tallies import DayTally, ManifestLine
from chargeback.settings import settings
from chargeback.snapshot_judgement import objections
from chargeback.sources.contract import Refusal, Scope
from models.enums import SnapshotState

DECIDED_BY_ITSELF = "chargeback"


@dataclass(frozen=True)
class DeliveredScope:
    """One scope of a delivery: its number in `delivered`, and its rows that could not be read.

    `unplaced` rows of the whole delivery do not say which scope they belong to.
    """

    number: int
    scope: Scope | None
    delivery: str
    refusals: Sequence[Refusal] = ()
    unplaced: int = 0


@dataclass(frozen=True)
class ScopeCounts:
    """What became of the rows of one scope, in rows and cost (`received_raw` as sent, `new_cost` as booked)."""

    received: int = 0
    new: int = 0
    unchanged: int = 0
    reversed: int = 0
    quarantined: int = 0
    waiting: int = 0
    received_raw: Decimal = field(default_factory=Decimal)
    new_cost: Decimal = field(default_factory=Decimal)


def settle(
    connection: Connection,
    source_id: int,
    source_name: str,
    delivered: DeliveredScope,
    is_judged: bool = True,
) -> ScopeCounts:
    """Replace what is held of the scope by what was delivered, or let the delivery wait for a person.

    With `is_judged` False it never waits: it says again what is held, at another rate.
    Rerun: what is held already, waits already or was rejected already changes nothing.
    """
    role = lock_source(connection, source_id)
    held = find_scope(connection, source_id, source_name, delivered.scope)
    found = compare(connection, held, delivered.number)
    if is_judged and (delivered.refusals or delivered.unplaced or not found.is_same):
        reasons = objections(
            found.delivered, found.held, len(delivered.refusals), delivered.unplaced,
            settings().snapshot_fall_percent,
        )  # fmt: skip
        if reasons:
            return _hold_back(connection, held, delivered, found, reasons)
    if is_judged:
        replace_waiting(
            connection, held, "the scope was delivered again, and that delivery is booked"
        )
    return booked(connection, held, delivered, found, role)


def lock_source(connection: Connection, source_id: int) -> str:
    """Take the source's turn, as every load does; its role."""
    role: str = connection.execute(
        text("SELECT role FROM usage_sources WHERE source_id = :id FOR UPDATE"), {"id": source_id}
    ).scalar_one()
    return role


def booked(
    connection: Connection, held: HeldScope, delivered: DeliveredScope, found: Difference, role: str
) -> ScopeCounts:
    """Book the scope as delivered, and mark its days."""
    counts = book(connection, held, delivered.number, delivered.delivery, found)
    if role == "allocate" and not found.is_same:
        usage.mark_days_of(connection, counts.batch_id)
    return ScopeCounts(
        counts.received, counts.new, counts.unchanged, found.missing,
        received_raw=counts.received_raw, new_cost=counts.new_cost,
    )  # fmt: skip


# The hashes of the rows in their order say what a delivery is, whatever order it came in.
_CONTENT = text("""
    SELECT encode(substr(sha256(coalesce(string_agg(uuid_send(content_hash), '' ORDER BY content_hash), '')), 1, 16),
                  'hex') AS rows, coalesce(sum(cost + residual), 0) AS raw
    FROM delivered WHERE scope_no = :number
""")
_LATEST = text("""
    SELECT snapshot_id, content_hash, state FROM usage_snapshots WHERE scope_id = :scope_id
    ORDER BY snapshot_id DESC LIMIT 1
""")
_KEEP = text("""
    INSERT INTO usage_snapshots
        (scope_id, delivery, content_hash, row_count, cost, held_count, held_cost, refused_count, reasons)
    VALUES (:scope_id, :delivery, :content_hash, :row_count, :cost, :held_count, :held_cost, :refused_count, :reasons)
    RETURNING snapshot_id
""")
_KEEP_ROWS = text(f"""
    INSERT INTO waiting_usage (snapshot_id, position, content_hash, residual, {FACTS}, {SAID})
    SELECT :snapshot_id, position, content_hash, residual, {FACTS}, {SAID} FROM delivered WHERE scope_no = :number
""")  # noqa: S608 - made of constants only


def _hold_back(
    connection: Connection,
    held: HeldScope,
    delivered: DeliveredScope,
    found: Difference,
    reasons: list[str],
) -> ScopeCounts:
    """Keep the delivery whole until a person decides; one that waits or was decided so already changes nothing."""
    rows, raw = connection.execute(_CONTENT, {"number": delivered.number}).one()
    content_hash = _content_hash(rows, delivered)
    latest = connection.execute(_LATEST, {"scope_id": held.scope_id}).first()
    received = found.delivered.rows + len(delivered.refusals)
    if latest and latest.content_hash == content_hash and not _is_new_again(latest.state, found):
        is_waiting = latest.state == SnapshotState.WAITING
        waiting = found.delivered.rows if is_waiting else 0
        return ScopeCounts(
            received, unchanged=received - waiting, waiting=waiting, received_raw=raw
        )
    replace_waiting(
        connection, held, "the scope was delivered again, and that delivery waits in its place"
    )
    snapshot_id: int = connection.execute(
        _KEEP,
        {
            "scope_id": held.scope_id, "delivery": delivered.delivery, "content_hash": content_hash,
            "row_count": found.delivered.rows, "cost": found.delivered.cost,
            "held_count": found.held.rows, "held_cost": found.held.cost,
            "refused_count": len(delivered.refusals), "reasons": reasons,
        },
    ).scalar_one()  # fmt: skip
    connection.execute(_KEEP_ROWS, {"snapshot_id": snapshot_id, "number": delivered.number})
    if delivered.refusals:
        _quarantine(connection, held, delivered, snapshot_id, content_hash)
    return ScopeCounts(
        received,
        quarantined=len(delivered.refusals),
        waiting=found.delivered.rows,
        received_raw=raw,
    )


def _is_new_again(state: SnapshotState, found: Difference) -> bool:
    """Whether a delivery that came before has to be looked at again: what it said is not, or no longer, held."""
    return state == SnapshotState.REPLACED or (
        state == SnapshotState.ACCEPTED and not found.is_same
    )


def _content_hash(rows: str, delivered: DeliveredScope) -> UUID:
    refused = sorted(json.dumps(refusal.row, sort_keys=True) for refusal in delivered.refusals)
    return public_id("snapshot", rows, str(delivered.unplaced), *refused)


_QUARANTINE = text("""
    INSERT INTO usage_quarantine
        (batch_id, source_id, snapshot_id, position, usage_date, code, reason, row, row_hash, raw_cost, currency)
    VALUES (:batch_id, :source_id, :snapshot_id, :position, :usage_date, :code, :reason, CAST(:row AS jsonb),
        :row_hash, :raw_cost, :currency)
""")


def _quarantine(
    connection: Connection,
    held: HeldScope,
    delivered: DeliveredScope,
    snapshot_id: int,
    content_hash: UUID,
) -> None:
    """Keep each refused row for people to look at, in a batch that received nothing else."""
    batch_id = batches.open_batch(connection, held.source_id, delivered.delivery)
    tallies: dict[ManifestLine, DayTally] = defaultdict(DayTally)
    rows: list[dict[str, Any]] = []
    for ordinal, refusal in enumerate(delivered.refusals):
        day = refusal.usage_at.date() if refusal.usage_at else None
        tally = tallies[ManifestLine(day, refusal.currency)]
        tally.received.add(refusal.raw_cost or Decimal(0))
        tally.quarantined.add(refusal.raw_cost or Decimal(0))
        rows.append({
            "batch_id": batch_id, "source_id": held.source_id, "snapshot_id": snapshot_id,
            "position": refusal.position, "usage_date": day, "code": refusal.code, "reason": refusal.reason,
            "row": json.dumps(refusal.row, ensure_ascii=False), "raw_cost": refusal.raw_cost,
            "currency": refusal.currency, "row_hash": public_id("snapshot", str(content_hash), str(ordinal)),
        })  # fmt: skip
    connection.execute(_QUARANTINE, rows)
    batches.write_manifest(connection, batch_id, tallies)


def replace_waiting(connection: Connection, held: HeldScope, why: str) -> None:
    """Let the scope's waiting delivery, if there is one, be replaced by another."""
    waiting = connection.execute(
        text("SELECT snapshot_id FROM usage_snapshots WHERE scope_id = :id AND state = 'waiting'"),
        {"id": held.scope_id},
    ).scalar()
    if waiting is not None:
        decide(connection, waiting, SnapshotState.REPLACED, DECIDED_BY_ITSELF, why)


def decide(
    connection: Connection, snapshot_id: int, state: SnapshotState, actor: str, why: str
) -> None:
    """End the waiting: the rows that were kept go, and the refused ones are settled with the whole."""
    values = {"id": snapshot_id, "state": state.value, "actor": actor, "why": why,
              "of_rows": "replaced" if state == SnapshotState.REPLACED else "waived"}  # fmt: skip
    connection.execute(
        text("""UPDATE usage_snapshots SET state = :state, decided_at = now(), decided_by = :actor, decision = :why
                WHERE snapshot_id = :id"""),
        values,
    )
    connection.execute(text("DELETE FROM waiting_usage WHERE snapshot_id = :id"), values)
    connection.execute(
        text("""UPDATE usage_quarantine SET state = :of_rows, decided_at = now(), decided_by = :actor, decision = :why
                WHERE snapshot_id = :id AND state = 'open'"""),
        values,
    )
