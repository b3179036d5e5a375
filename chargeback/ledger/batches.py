"""A batch and what it did: its manifest, which says what was received beside what was booked.

Owns opening a batch and closing its account. What is booked in between is `usage`'s and `snapshots`'; the
batches of an hour that posts go to are `open_batches`'.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, text

from chargeback.ledger.chunks import DayTally, ManifestLine


@dataclass(frozen=True)
class BatchCounts:
    """What one batch did, in rows and cost: `received_raw` as sent, `new_cost` as booked, less what was taken back."""

    batch_id: int
    received: int
    new: int
    unchanged: int
    changed: int
    quarantined: int
    received_raw: Decimal
    new_cost: Decimal


def write_manifest(
    connection: Connection, batch_id: int, tallies: Mapping[ManifestLine, DayTally]
) -> None:
    """Record what was received beside what was booked; a constraint refuses a batch that does not tie."""
    for line, tally in tallies.items():
        connection.execute(
            text("""
                INSERT INTO usage_manifests (batch_id, usage_date, received_count, received_raw, new_count, new_raw,
                    unchanged_count, unchanged_raw, changed_count, changed_raw, quarantined_count, quarantined_raw,
                    reversed_count, reversed_raw, currency, exchange_rate, repriced, cost, residual)
                SELECT :batch_id, CAST(:usage_date AS date), :received, :received_raw, :new, :new_raw,
                    :unchanged, :unchanged_raw, :changed, :changed_raw, :quarantined, :quarantined_raw,
                    :reversed, :reversed_raw, CAST(:currency AS text), :exchange_rate,
                    coalesce(sum(repriced), 0), coalesce(sum(cost), 0), coalesce(sum(residual), 0)
                FROM usage_cells WHERE batch_id = :batch_id AND usage_date = :usage_date
                  AND currency IS NOT DISTINCT FROM CAST(:currency AS text) AND exchange_rate = :exchange_rate"""),
            {
                "batch_id": batch_id, **line._asdict(),
                "received": tally.received.count, "received_raw": tally.received.raw,
                "new": tally.new.count, "new_raw": tally.new.raw,
                "unchanged": tally.unchanged.count, "unchanged_raw": tally.unchanged.raw,
                "changed": tally.changed.count, "changed_raw": tally.changed.raw,
                "quarantined": tally.quarantined.count, "quarantined_raw": tally.quarantined.raw,
                "reversed": tally.reversed.count, "reversed_raw": tally.reversed.raw,
            },
        )  # fmt: skip


def open_batch(connection: Connection, source_id: int, delivery: str) -> int:
    """A batch that is booked whole in this transaction, and with it sealed."""
    batch_id: int = connection.execute(
        text(
            """INSERT INTO usage_batches (source_id, delivery, sealed_at) VALUES (:id, :delivery, now())
               RETURNING batch_id"""
        ),
        {"id": source_id, "delivery": delivery},
    ).scalar_one()
    return batch_id


def counts_of(connection: Connection, batch_id: int) -> BatchCounts:
    """What a batch's manifest says it did."""
    row = connection.execute(
        text("""SELECT sum(received_count), sum(new_count), sum(unchanged_count), sum(changed_count),
                    sum(quarantined_count), sum(received_raw), sum(cost) FROM usage_manifests WHERE batch_id = :id"""),
        {"id": batch_id},
    ).one()
    received, new, unchanged, changed, quarantined = map(int, row[:5])
    return BatchCounts(batch_id, received, new, unchanged, changed, quarantined, row[5], row[6])
