"""A batch and what it did: its manifest, which says what was received beside what was booked.

Owns opening a batch and closing its account. What is booked in between is `usage`'s and `snapshots`'; the
batches of an hour that posts go to are `open_batches`'.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from chargeback.ledger.tallies import DayTally, ManifestLine, Tally


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


_TALLIES = ("received", "new", "unchanged", "changed", "quarantined", "reversed")
_COLUMNS = {"usage_date": "date", "currency": "text", "exchange_rate": "numeric"} | {
    f"{tally}_{unit}": kind
    for tally in _TALLIES
    for unit, kind in (("count", "bigint"), ("raw", "numeric"))
}
_NAMES = ", ".join(_COLUMNS)
_ARRAYS = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _COLUMNS.items())
_WRITE = text(f"""
    INSERT INTO usage_manifests (batch_id, {_NAMES}, repriced, cost, residual)
    SELECT :batch_id, l.*, coalesce(b.repriced, 0), coalesce(b.cost, 0), coalesce(b.residual, 0)
    FROM unnest({_ARRAYS}) AS l ({_NAMES})
    LEFT JOIN (
        SELECT usage_date, currency, exchange_rate, sum(repriced) AS repriced, sum(cost) AS cost,
            sum(residual) AS residual
        FROM usage_cells WHERE batch_id = :batch_id GROUP BY usage_date, currency, exchange_rate) b
      ON b.usage_date = l.usage_date AND b.exchange_rate = l.exchange_rate
        AND b.currency IS NOT DISTINCT FROM l.currency
""")  # noqa: S608 - made of constants only


def write_manifest(
    connection: Connection, batch_id: int, tallies: Mapping[ManifestLine, DayTally]
) -> None:
    """Record what was received beside what was booked; a constraint refuses a batch that does not tie."""
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for line, tally in tallies.items():
        for name, value in line._asdict().items():
            columns[name].append(value)
        for name in _TALLIES:
            counted: Tally = getattr(tally, name)
            columns[f"{name}_count"].append(counted.count)
            columns[f"{name}_raw"].append(counted.raw)
    connection.execute(_WRITE, {"batch_id": batch_id, **columns})


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
