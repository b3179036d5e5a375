"""The way down from the lines of many documents at once: rule versions, cells, the first usage records.

Set-based and bounded: for each line so many cells and records, the counts beside say how many there are. One line
in full is `explaining`'s.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, text

from chargeback.ledger import explaining
from chargeback.ledger.explaining import CLAIMING
from chargeback.ledger.invoices import plain
from chargeback.lineage import RulePart
from chargeback.site_views import Lineage, UsedCell, UsedRecord

Key = TypeVar("Key")
MOST_CELLS = 8
MOST_RECORDS = 10
# Records are read of the dearest cells, of each the one that holds few: a page needs ten of them.
_CELLS_READ = 3
FEW_RECORDS = 50
# Of cells (`c`) that are added up, the one whose records a page shows; the same one whatever order they lie in.
EXAMPLE_CELL = f"""(array_agg(c.cell_id
    ORDER BY abs(c.record_count) > {FEW_RECORDS}, abs(c.cost) DESC, c.usage_date, c.cell_id)
    FILTER (WHERE c.reallocation_id IS NULL))[1]"""

# Cells of what the lines bill directly; of a retired pool those that it had. '' stands for no user.
_CELLS = text(f"""
    WITH claimed AS MATERIALIZED (
        SELECT q.invoice_id, l.position, CASE WHEN q.is_credit THEN -1 ELSE 1 END AS sign, a.pool_id,
            coalesce(a.user_id, '') AS whose
        FROM ({CLAIMING}) q JOIN invoice_lines l USING (line_id)
        JOIN line_allocations k ON k.line_id = q.claiming_id JOIN allocations a USING (allocation_id)
        JOIN cost_pools p USING (pool_id) WHERE p.split_digest IS NULL),
    added AS (
        SELECT k.invoice_id, k.position, c.source_id, c.agent_id, c.sku, h.user_id, min(c.usage_date) AS first,
            max(c.usage_date) AS last, sum(c.record_count) AS records, sum(k.sign * c.quantity) AS quantity,
            sum(k.sign * c.cost) AS cost,
            {EXAMPLE_CELL} AS cell_id
        FROM claimed k JOIN (
            SELECT pool_id, cell_id, user_id FROM pool_cells
            UNION ALL SELECT pool_id, cell_id, user_id FROM retired_pool_cells
        ) h ON h.pool_id = k.pool_id AND coalesce(h.user_id, '') = k.whose
        JOIN usage_cells c USING (cell_id)
        GROUP BY 1, 2, 3, 4, 5, 6),
    ranked AS (
        SELECT *, row_number() OVER (PARTITION BY invoice_id, position ORDER BY abs(cost) DESC,
            source_id, agent_id COLLATE "C", sku COLLATE "C", user_id COLLATE "C") AS rank,
            count(*) OVER (PARTITION BY invoice_id, position) AS cell_count,
            sum(records) OVER (PARTITION BY invoice_id, position) AS record_count
        FROM added)
    SELECT r.*, s.name FROM ranked r JOIN usage_sources s USING (source_id) WHERE rank <= {MOST_CELLS}
    ORDER BY invoice_id, position, rank
""")  # noqa: S608 - made of constants only

# Cell by cell, each by the index: of thousands at once the planner would rather read every record there is.
_EARLIEST = text(f"""
    SELECT r.*, s.name FROM unnest(CAST(:cells AS bigint[])) asked (cell_id) CROSS JOIN LATERAL (
        SELECT r.cell_id, r.external_id, r.revision, r.usage_at, r.source_id, r.agent_id, r.sku, r.user_id,
            r.resource_type, r.unit, r.quantity, r.cost
        FROM seen_records r WHERE r.cell_id = asked.cell_id
        ORDER BY r.usage_at, r.external_id COLLATE "C", r.revision LIMIT {MOST_RECORDS}) r
    JOIN seen_sources s USING (source_id)
""")  # noqa: S608 - made of constants only


def lineages(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[Lineage, ...]]:
    """Per document the way down from each of its lines, in the order of their positions.

    A credit note's lines lead to what the credited invoice had billed.
    """
    asked = {"invoices": list(ids), "position": None}
    cells: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for row in connection.execute(_CELLS, asked):
        cells[row.invoice_id, row.position].append(row)
    examples = examples_of(connection, cells, _CELLS_READ)
    numbers = dict(
        connection.execute(text("SELECT number, invoice_id FROM invoices WHERE invoice_id = ANY (:invoices)"), asked)
        .tuples()
        .all()
    )  # fmt: skip
    found: dict[int, list[Lineage]] = defaultdict(list)
    for line in explaining.lines(connection, ids):
        invoice_id, position = numbers[line.number], line.line.position
        found[invoice_id].append(
            _lineage(
                position,
                line.rules,
                cells[invoice_id, position],
                examples.get((invoice_id, position), ()),
            )
        )
    return {invoice_id: tuple(those) for invoice_id, those in found.items()}


def _lineage(
    position: int,
    rules: tuple[RulePart, ...],
    cells: Sequence[Any],
    examples: tuple[UsedRecord, ...],
) -> Lineage:
    return Lineage(
        position,
        rules,
        tuple(used_cell(row) for row in cells),
        int(cells[0].cell_count) if cells else 0,
        int(cells[0].record_count) if cells else 0,
        examples,
    )


def used_cell(row: Any) -> UsedCell:
    """A row of added-up cells."""
    return UsedCell(
        row.name, row.agent_id, row.sku, row.user_id, row.first, row.last, int(row.records),
        plain(row.quantity), plain(row.cost),
    )  # fmt: skip


def examples_of(
    connection: Connection, cells: Mapping[Key, Sequence[Any]], most_cells: int
) -> dict[Key, tuple[UsedRecord, ...]]:
    """Under each key the earliest records of its first cells, as many as a page shows.

    Their order depends on the usage alone.
    """
    read = [row.cell_id for rows in cells.values() for row in rows[:most_cells]]
    records = _records_of(connection, [cell_id for cell_id in read if cell_id is not None])
    found = {}
    for key, rows in cells.items():
        those = [one for row in rows[:most_cells] for one in records.get(row.cell_id, ())]
        those.sort(key=lambda one: (one.usage_at, one.external_id, one.revision))
        found[key] = tuple(those[:MOST_RECORDS])
    return found


def _records_of(connection: Connection, cells: Sequence[int]) -> dict[int, list[UsedRecord]]:
    """The earliest records of each of these cells, as many as a page shows; archived ones are none."""
    found: dict[int, list[UsedRecord]] = defaultdict(list)
    for row in connection.execute(_EARLIEST, {"cells": sorted(set(cells))}):
        found[row.cell_id].append(
            UsedRecord(row.external_id, row.revision, row.usage_at, row.name, row.agent_id, row.sku, row.user_id,
                       row.resource_type, row.unit, plain(row.quantity), plain(row.cost)))  # fmt: skip
    return found
