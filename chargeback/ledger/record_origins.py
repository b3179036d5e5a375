"""Which records a cell stands for: its own, or, where a reallocation booked it, those of the cell it moved."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

# From a reallocation's cell back to the cell whose records it stands for; `moved_by` is the batch that moved them.
_MOVED = text("""
    WITH RECURSIVE moved AS (
        SELECT cell_id AS moved_id, batch_id AS moved_by, reverses_cell_id IS NOT NULL AS is_taken_back,
            coalesce(reverses_cell_id, replaces_cell_id) AS cell_id
        FROM usage_cells WHERE cell_id = ANY (CAST(:cells AS bigint[])) AND reallocation_id IS NOT NULL
        UNION ALL
        SELECT m.moved_id, m.moved_by, m.is_taken_back, c.replaces_cell_id
        FROM moved m JOIN usage_cells c USING (cell_id) WHERE c.reallocation_id IS NOT NULL)
    SELECT m.moved_id, m.moved_by, m.is_taken_back, m.cell_id, c.reallocation_id IS NULL AS is_origin
    FROM moved m JOIN usage_cells c USING (cell_id) ORDER BY m.moved_id, m.cell_id
""")
# What of these cells was taken back, and by which batch.
_TAKEN_BACK = text("""
    SELECT cell_id, batch_id, reverses_cell_id FROM usage_cells
    WHERE reverses_cell_id = ANY (CAST(:cells AS bigint[])) AND reallocation_id IS NULL
""")
_RECORDS = text("""
    SELECT cell_id, usage_id, revision FROM seen_records WHERE cell_id = ANY (CAST(:cells AS bigint[]))
""")


_COUNTS = text("""
    SELECT cell_id, abs(record_count) FROM usage_cells WHERE cell_id = ANY (CAST(:cells AS bigint[]))
""")


@dataclass(frozen=True)
class Origin:
    """The cell whose records a cell stands for, and how many; `left_out` had been taken back before it was moved."""

    cell_id: int
    records: int
    is_taken_back: bool = False
    left_out: frozenset[tuple[UUID, int]] = frozenset()


def origins_of(connection: Connection, cell_ids: Collection[int]) -> dict[int, Origin]:
    """The origin of each cell; of one that no reallocation booked it is the cell itself."""
    counts = connection.execute(_COUNTS, {"cells": list(cell_ids)}).tuples()
    found = {cell_id: Origin(cell_id, count) for cell_id, count in counts}
    moved = connection.execute(_MOVED, {"cells": list(cell_ids)}).all()
    if not moved:
        return found
    back = connection.execute(_TAKEN_BACK, {"cells": sorted({row.cell_id for row in moved})}).all()
    reversals: dict[int, set[tuple[UUID, int]]] = {}
    for row in (
        connection.execute(_RECORDS, {"cells": [one.cell_id for one in back]}) if back else ()
    ):
        reversals.setdefault(row.cell_id, set()).add((row.usage_id, row.revision - 1))
    for row in moved:
        if row.is_origin:
            steps = {one.cell_id for one in moved if one.moved_id == row.moved_id}
            left_out = frozenset(
                one
                for cell in back
                if cell.reverses_cell_id in steps and cell.batch_id < row.moved_by
                for one in reversals.get(cell.cell_id, ())
            )
            count = found[row.moved_id].records
            found[row.moved_id] = Origin(row.cell_id, count, row.is_taken_back, left_out)
    return found
