"""The first records behind every line of many documents, in a few queries for all of them: for pages that are written.

A page about a team is read by the team, so of a shared cost only the team's own records are shown, as a viewer
would find them; how many records there are behind a line is told of all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.ledger.explaining import CLAIMING, signed
from chargeback.ledger.line_usage import BorneRecord, Trail
from chargeback.ledger.pool_shares import load_pools
from chargeback.ledger.usage_reading import described
from chargeback.lineage import Pool, borne


@dataclass(frozen=True)
class FirstUsage:
    """The first records behind one line; `has_more` where there are others that its payer may see.

    `is_shared` where some of the line's cost is shared with others, whose records are not shown.
    """

    number: str
    position: int
    records: tuple[BorneRecord, ...]
    has_more: bool
    is_shared: bool


# What a line claims: of a direct pool the cells of the share's user, of a divided one those of the payer's own team.
_CELLS = text(f"""
    WITH lines AS MATERIALIZED ({CLAIMING}),
    claimed AS MATERIALIZED (
        SELECT DISTINCT l.line_id, p.pool_id, p.split_digest IS NOT NULL AS is_divided,
            CASE WHEN p.split_digest IS NULL THEN coalesce(a.user_id, '') ELSE coalesce(a.team_id, '') END AS whose
        FROM lines l JOIN line_allocations k ON k.line_id = l.claiming_id JOIN allocations a USING (allocation_id)
        JOIN cost_pools p USING (pool_id)),
    held AS MATERIALIZED (
        SELECT h.pool_id, h.cell_id, h.user_id, h.team_id, abs(c.record_count) AS records FROM (
            SELECT pool_id, cell_id, user_id, team_id FROM pool_cells
            UNION ALL SELECT pool_id, cell_id, user_id, team_id FROM retired_pool_cells) h
        JOIN usage_cells c USING (cell_id)
        WHERE h.pool_id IN (SELECT pool_id FROM claimed) AND c.reallocation_id IS NULL),
    counted AS (
        SELECT line_id, pool_id, cell_id, user_id, sum(records) OVER (
                PARTITION BY line_id ORDER BY pool_id, cell_id ROWS UNBOUNDED PRECEDING) - records AS before
        FROM (SELECT c.line_id, h.* FROM claimed c JOIN held h
                ON h.pool_id = c.pool_id AND NOT c.is_divided AND coalesce(h.user_id, '') = c.whose
              UNION ALL
              SELECT c.line_id, h.* FROM claimed c JOIN held h
                ON h.pool_id = c.pool_id AND c.is_divided AND h.team_id = c.whose) led)
    SELECT line_id, pool_id, cell_id, user_id FROM counted WHERE before <= :most ORDER BY line_id, pool_id, cell_id
""")  # noqa: S608 - made of constants only
_LINES = text(f"""
    SELECT q.line_id, q.claiming_id, q.number, q.is_credit, l.position,
        EXISTS (SELECT FROM line_allocations k JOIN allocations a USING (allocation_id)
                JOIN cost_pools p USING (pool_id)
                WHERE k.line_id = q.claiming_id AND p.split_digest IS NOT NULL) AS is_shared
    FROM ({CLAIMING}) q JOIN invoice_lines l USING (line_id) ORDER BY q.invoice_id, l.position
""")  # noqa: S608 - made of constants only
_RECORDS = text("""
    SELECT * FROM (
        SELECT o.ordinal, o.line_id, r.cell_id, r.usage_id AS record_id, r.revision, r.external_id, r.source_id,
            r.usage_at, r.team_id, r.user_id, r.agent_id, r.account_id, r.resource_type, r.unit, r.quantity, r.cost,
            row_number() OVER (PARTITION BY o.line_id ORDER BY o.ordinal, r.usage_id, r.revision) AS place
        FROM seen_records r JOIN unnest(CAST(:cells AS bigint[]), CAST(:lines AS bigint[]))
            WITH ORDINALITY AS o (cell_id, line_id, ordinal) ON o.cell_id = r.cell_id
        WHERE r.cell_id = ANY (CAST(:cells AS bigint[]))) ranked
    WHERE place <= :most + 1 ORDER BY line_id, place
""")
_CLAIMED = text("""
    SELECT k.line_id, k.allocation_id FROM line_allocations k JOIN allocations a USING (allocation_id)
    WHERE k.line_id = ANY (CAST(:lines AS bigint[])) AND a.pool_id = ANY (CAST(:pools AS bigint[]))
""")


def first_records(
    connection: Connection, invoice_ids: Sequence[int], most: int = 50
) -> list[FirstUsage]:
    """Of every line of these documents its first `most` records, with what the line bears of each.

    Call it for some hundred documents at a time: what it gives is held in memory.
    """
    asked = {"invoices": list(invoice_ids), "position": None, "most": most}
    lines = connection.execute(_LINES, asked).all()
    cells = connection.execute(_CELLS, asked).all()
    values = {
        "cells": [cell.cell_id for cell in cells],
        "lines": [cell.line_id for cell in cells],
        "most": most,
    }
    rows = connection.execute(_RECORDS, values).all()
    by_line: dict[int, list[BorneRecord]] = {line.line_id: [] for line in lines}
    shares = _Shares(connection, lines, {cells[row.ordinal - 1].pool_id for row in rows})
    for row, record in zip(rows, described(connection, rows), strict=True):
        cell = cells[row.ordinal - 1]
        trail = Trail(cell.pool_id, cell.cell_id, record.record_id, record.revision)
        by_line[row.line_id].append(BorneRecord(record, shares.of(record.cost, cell), trail))
    return [
        FirstUsage(
            line.number, line.position, tuple(by_line[line.line_id][:most]),
            len(by_line[line.line_id]) > most, line.is_shared,
        )
        for line in lines
    ]  # fmt: skip


class _Shares:
    """What each line bears of a cost that lies in a pool."""

    def __init__(self, connection: Connection, lines: Iterable[Any], pool_ids: set[int]) -> None:
        self._lines = {line.line_id: line for line in lines}
        self._pools: dict[int, Pool] = load_pools(connection, pool_ids)
        asked = {
            "lines": sorted({line.claiming_id for line in self._lines.values()}),
            "pools": list(self._pools),
        }
        self._claimed: dict[int, set[int]] = {}
        for line_id, allocation_id in connection.execute(_CLAIMED, asked):
            self._claimed.setdefault(line_id, set()).add(allocation_id)

    def of(self, cost: Decimal, cell: Any) -> Decimal:
        """What the line that shows the cell bears of `cost`."""
        line = self._lines[cell.line_id]
        claimed = self._claimed.get(line.claiming_id, set())
        parts = borne(money.units(cost), cell.pool_id, cell.user_id, self._pools)
        units = sum(part for allocation_id, part in parts.items() if allocation_id in claimed)
        return signed(money.amount(units), line.is_credit)
