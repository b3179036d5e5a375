"""The open batches of the hour, which API posts go to one by one, and their sealing.

Owns opening and sealing. A post holds the batch open while it inserts (FOR KEY SHARE); sealing waits for it
(FOR UPDATE) and then books the cells, so no record is left without one. Allocation seals first.
Locks, in order: source, batch, days by date.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from chargeback.ledger.database import transaction
from chargeback.ledger.usage import mark_days_of

# A batch sealed between the insert and the look means: open the next one.
_TRIES = 100


def hold_open(connection: Connection, source_id: int, delivery: str) -> int:
    """The open batch of a source's delivery, opened where there is none, and kept open until commit."""
    values = {"source_id": source_id, "delivery": delivery}
    for _ in range(_TRIES):
        found: int | None = connection.execute(_HOLD, values).scalar()
        if found is not None:
            return found
        connection.execute(_OPEN, values)
    raise AssertionError(f"{delivery} was sealed {_TRIES} times while it was being opened")


_HOLD = text("""
    SELECT batch_id FROM usage_batches
    WHERE source_id = :source_id AND delivery = :delivery AND sealed_at IS NULL FOR KEY SHARE
""")
_OPEN = text("""
    INSERT INTO usage_batches (source_id, delivery) VALUES (:source_id, :delivery)
    ON CONFLICT (source_id, delivery) WHERE sealed_at IS NULL DO NOTHING
""")


def seal_all() -> int:
    """Seal every open batch, each in a transaction of its own; how many that were.

    Rerun: a sealed batch is left as it is.
    """
    with transaction() as connection:
        waiting: Sequence[int] = (
            connection.execute(
                text("SELECT batch_id FROM usage_batches WHERE sealed_at IS NULL ORDER BY batch_id")
            )
            .scalars()
            .all()
        )
    sealed = 0
    for batch_id in waiting:
        with transaction() as connection:
            sealed += seal(connection, batch_id)
    return sealed


def seal(connection: Connection, batch_id: int) -> bool:
    """Book the cells and the manifest of one open batch and close it; False where it was sealed already."""
    ids = {"batch_id": batch_id}
    source_id = connection.execute(_LOCK, ids).scalar()
    if source_id is None:
        return False
    connection.execute(_CELLS, ids)
    connection.execute(_MANIFEST, ids)
    connection.execute(
        text("UPDATE usage_batches SET sealed_at = now() WHERE batch_id = :batch_id"), ids
    )
    mark_days_of(connection, batch_id)
    return True


_LOCK = text("""
    SELECT source_id FROM usage_batches WHERE batch_id = :batch_id AND sealed_at IS NULL FOR UPDATE
""")
_CELLS = text("""
    INSERT INTO usage_cells (batch_id, source_id, usage_date, charge_date, team_id, user_id, agent_id, account_id,
        owner_tag, resource_type, sku, unit, quantity, cost, residual, record_count)
    SELECT batch_id, source_id, usage_date, charge_date, team_id, user_id, agent_id, account_id,
        owner_tag, resource_type, sku, unit, sum(quantity), sum(cost), sum(residual), sum(record_count)
    FROM usage_records WHERE batch_id = :batch_id
    GROUP BY batch_id, source_id, usage_date, charge_date, team_id, user_id, agent_id, account_id,
        owner_tag, resource_type, sku, unit
""")
# Posts that said again what is held left nothing behind, so all that such a batch received is new.
_MANIFEST = text("""
    INSERT INTO usage_manifests (batch_id, usage_date, received_count, received_raw, new_count, new_raw,
        unchanged_count, unchanged_raw, quarantined_count, quarantined_raw, cost, residual)
    SELECT batch_id, usage_date, sum(record_count), sum(cost + residual), sum(record_count), sum(cost + residual),
        0, 0, 0, 0, sum(cost), sum(residual)
    FROM usage_cells WHERE batch_id = :batch_id GROUP BY batch_id, usage_date
""")
