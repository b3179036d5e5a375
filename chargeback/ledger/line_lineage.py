"""The way down from the lines of many documents at once: rule versions, cells, the first usage records.

Set-based and bounded: for each line so many cells and records, the counts beside say how many there are. One line
in full is `explain`'s.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from chargeback.ledger.invoices import plain
from chargeback.ledger.usage_reading import Place, of_cells
from chargeback.site_views import Lineage, LinePart, UsedCell, UsedRecord
from models.enums import RuleType

MOST_CELLS = 8
MOST_RECORDS = 10
_CELLS_READ = 3
_RECORDS_READ = 50

_PARTS = text("""
    SELECT l.invoice_id, l.position, r.rule_key, r.rule_id, r.version, r.name, r.rule_type,
        p.split_digest IS NOT NULL AS is_divided, count(*) AS allocations, min(a.usage_date) AS first,
        max(a.usage_date) AS last, sum(a.quantity) AS quantity, sum(a.cost) AS cost
    FROM invoice_lines l JOIN line_allocations k USING (line_id) JOIN allocations a USING (allocation_id)
    JOIN cost_pools p USING (pool_id) JOIN allocation_rules r USING (rule_key)
    WHERE l.invoice_id = ANY (:ids)
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, r.rule_id COLLATE "C", r.version, is_divided
""")
# Cells of what the lines bill directly; of a retired pool those that it had.
_USED = """
    SELECT l.invoice_id, l.position, c.cell_id, c.source_id, c.agent_id, c.sku, u.user_id, c.usage_date,
        c.record_count, c.quantity, c.cost, c.reallocation_id
    FROM invoice_lines l JOIN line_allocations k USING (line_id) JOIN allocations a USING (allocation_id)
    JOIN cost_pools p USING (pool_id)
    JOIN (SELECT pool_id, cell_id, user_id FROM pool_cells
          UNION ALL SELECT pool_id, cell_id, user_id FROM retired_pool_cells) u
      ON u.pool_id = a.pool_id AND u.user_id IS NOT DISTINCT FROM a.user_id
    JOIN usage_cells c USING (cell_id)
    WHERE l.invoice_id = ANY (:ids) AND p.split_digest IS NULL
"""
_CELLS = text(f"""
    WITH used AS ({_USED}),
    added AS (
        SELECT invoice_id, position, source_id, agent_id, sku, user_id, min(usage_date) AS first, max(usage_date) AS last,
            sum(record_count) AS records, sum(quantity) AS quantity, sum(cost) AS cost FROM used
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
# Small cells first: a few records can be had from them without reading a great many.
_READ = text(f"""
    SELECT invoice_id, position, cell_id FROM (
        SELECT invoice_id, position, cell_id, row_number() OVER (PARTITION BY invoice_id, position
            ORDER BY record_count > {_RECORDS_READ}, abs(cost) DESC, usage_date, agent_id COLLATE "C", sku COLLATE "C",
                user_id COLLATE "C") AS rank
        FROM ({_USED}) used WHERE reallocation_id IS NULL) ranked
    WHERE rank <= {_CELLS_READ}
""")  # noqa: S608 - made of constants only


def lineages(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[Lineage, ...]]:
    """Per document the way down from each of its lines, in the order of their positions."""
    asked = {"ids": list(ids)}
    parts: dict[tuple[int, int], list[LinePart]] = defaultdict(list)
    for row in connection.execute(_PARTS, asked):
        parts[row.invoice_id, row.position].append(_part(row))
    cells: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for row in connection.execute(_CELLS, asked):
        cells[row.invoice_id, row.position].append(row)
    records = _records(connection, asked)
    found: dict[int, list[Lineage]] = defaultdict(list)
    for (invoice_id, position), those in sorted(parts.items(), key=lambda item: item[0]):
        used = cells[invoice_id, position]
        found[invoice_id].append(
            Lineage(
                position,
                tuple(those),
                tuple(used_cell(row) for row in used),
                int(used[0].cell_count) if used else 0,
                int(used[0].record_count) if used else 0,
                tuple(records[invoice_id, position]),
            )
        )
    return {invoice_id: tuple(those) for invoice_id, those in found.items()}


def _part(row: Any) -> LinePart:
    return LinePart(
        row.rule_key, row.rule_id, row.version, row.name, RuleType(row.rule_type), row.is_divided,
        row.allocations, row.first, row.last, plain(row.quantity), plain(row.cost),
    )  # fmt: skip


def used_cell(row: Any) -> UsedCell:
    """A row of added-up cells."""
    return UsedCell(
        row.name, row.agent_id, row.sku, row.user_id, row.first, row.last, int(row.records),
        plain(row.quantity), plain(row.cost),
    )  # fmt: skip


def _records(
    connection: Connection, asked: dict[str, Any]
) -> dict[tuple[int, int], list[UsedRecord]]:
    wanted = connection.execute(_READ, asked).all()
    of_cell = records_of(connection, [row.cell_id for row in wanted])
    found: dict[tuple[int, int], list[UsedRecord]] = defaultdict(list)
    for row in wanted:
        found[row.invoice_id, row.position] += of_cell.get(row.cell_id, ())
    return defaultdict(list, {place: first_records(those) for place, those in found.items()})


def first_records(those: Sequence[UsedRecord]) -> list[UsedRecord]:
    """The earliest, as many as a page shows; an order that depends on the usage alone."""
    return sorted(those, key=lambda one: (one.usage_at, one.external_id, one.revision))[
        :MOST_RECORDS
    ]


def records_of(connection: Connection, cells: Sequence[int]) -> dict[int, list[UsedRecord]]:
    """The records of these cells, bounded; archived ones are none."""
    ids = sorted(set(cells))
    names = dict(
        connection.execute(text("SELECT source_id, name FROM usage_sources")).tuples().all()
    )
    skus = dict(
        connection.execute(
            text("SELECT cell_id, sku FROM usage_cells WHERE cell_id = ANY (:ids)"), {"ids": ids}
        )
        .tuples()
        .all()
    )
    found: dict[int, list[UsedRecord]] = defaultdict(list)
    for row in of_cells(connection, ids, Place(), len(ids) * _RECORDS_READ):
        found[row.cell_id].append(
            UsedRecord(row.external_id, row.revision, row.usage_at, names[row.source_id], row.agent_id,
                       skus[row.cell_id], row.user_id, row.resource_type, row.unit, plain(row.quantity),
                       plain(row.cost)))  # fmt: skip
    return found
