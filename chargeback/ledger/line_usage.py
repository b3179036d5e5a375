"""The usage behind a line of a document, record by record, and what the line bears of each.

Reads the views `seen_*`, in which every role finds what it may see: of a shared cost a viewer is shown its own
team's records. A page reads pools, cells and records only until it is full, so it costs what it shows, not what
the line bears.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.errors import Invalid
from chargeback.ledger.explaining import claiming, signed
from chargeback.ledger.pool_shares import load_pools
from chargeback.ledger.record_origins import Origin, origins_of
from chargeback.ledger.record_pages import RecordPages
from chargeback.ledger.usage_reading import Record, described
from chargeback.lineage import borne


class Trail(NamedTuple):
    """Where a list of a line's records goes on: after this record of this cell of this pool."""

    pool_id: int = 0
    cell_id: int = 0
    usage_id: UUID = UUID(int=0)
    revision: int = 0


@dataclass(frozen=True)
class BorneRecord:
    """A record and what the line bears of its cost, exact: below 0 where the line takes it back."""

    record: Record
    borne: Decimal
    trail: Trail


# The pools that hold the line's cells: those of its allocations, and of a later stage's those whose shares it took.
_POOLS = text("""
    WITH RECURSIVE behind AS (
        SELECT a.pool_id FROM line_allocations k JOIN allocations a USING (allocation_id) WHERE k.line_id = :line
        UNION
        SELECT t.from_pool_id FROM behind b JOIN seen_taken t ON t.pool_id = b.pool_id)
    SELECT pool_id FROM behind JOIN cost_pools USING (pool_id) ORDER BY usage_date, pool_id
""")
_CLAIMED = text("""
    SELECT k.allocation_id FROM line_allocations k JOIN allocations a USING (allocation_id)
    WHERE k.line_id = :line AND a.pool_id = ANY (CAST(:pools AS bigint[]))
""")
# Of a pool that is not divided, the cells of those users whose shares lead to the line; '' stands for no user.
_CELLS = text("""
    SELECT pool_id, cell_id, user_id FROM (
        SELECT pool_id, cell_id, user_id FROM pool_cells WHERE pool_id = ANY (CAST(:pools AS bigint[]))
        UNION ALL
        SELECT pool_id, cell_id, user_id FROM retired_pool_cells WHERE pool_id = ANY (CAST(:pools AS bigint[]))) held
    WHERE (pool_id <> :pool_id OR cell_id >= :cell_id)
      AND (pool_id = ANY (CAST(:divided AS bigint[])) OR (pool_id, coalesce(user_id, '')) IN (
        SELECT * FROM unnest(CAST(:of_pools AS bigint[]), CAST(:of_users AS text[]))))
    ORDER BY array_position(CAST(:pools AS bigint[]), pool_id), cell_id LIMIT :most
""")


def records(
    connection: Connection, invoice_id: int, position: int, after: Trail, most: int
) -> list[BorneRecord]:
    """The records behind a line after a place, by day, pool and cell; of a credit note's line, what it takes back.

    Raises NotFound where the document has no such line, Invalid for a place that is not, or no more, behind it.
    """
    line = claiming(connection, invoice_id, position)
    every = list(connection.execute(_POOLS, {"line": line.claiming_id}).scalars())
    if after.pool_id and after.pool_id not in every:
        raise Invalid(
            "place_gone",
            "what this list showed before is not behind the line any more; begin it again",
        )
    pools = _from(every, after)
    found: list[_Found] = []
    taken, size = 0, 1
    while taken < len(pools) and len(found) < most:
        reading = _Reading(connection, line.claiming_id, pools[taken : taken + size])
        found += reading.records(after, most - len(found))
        taken, size, after = taken + size, size * 2, Trail()
    told = described(connection, [one.row for one in found])
    return [
        BorneRecord(record, signed(one.borne, line.is_credit), one.trail)
        for record, one in zip(told, found, strict=True)
    ]


def _from(pools: Sequence[int], after: Trail) -> Sequence[int]:
    """The pools from that of the place on; all of them where it is none of theirs."""
    return pools[pools.index(after.pool_id) :] if after.pool_id in pools else pools


class _Found(NamedTuple):
    """A record's row, what the line bears of it, and where it was found."""

    row: Any
    borne: Decimal
    trail: Trail


class _Reading:
    """Some of a line's pools, being read."""

    def __init__(self, connection: Connection, line_id: int, pool_ids: Sequence[int]) -> None:
        self._connection = connection
        self._pools = load_pools(connection, pool_ids)
        # A viewer does not see the earlier stages' pools that its team has no part of.
        self._pool_ids = [pool_id for pool_id in pool_ids if pool_id in self._pools]
        asked = {"line": line_id, "pools": list(self._pools)}
        self._claimed = set(connection.execute(_CLAIMED, asked).scalars())

    def records(self, after: Trail, most: int) -> list[_Found]:
        """The records of these pools' cells; cells are read on until there are enough, or no more."""
        found: list[_Found] = []
        values = self._of_whom()
        size = most
        while len(found) < most:
            # Pools that were read whole need not be looked at again.
            pools = _from(self._pool_ids, after)
            place = {
                "pools": pools,
                "pool_id": after.pool_id,
                "cell_id": after.cell_id,
                "most": size + 1,
            }
            cells = self._connection.execute(_CELLS, values | place).all()
            found += self._of_cells(cells[:size], after, most - len(found))
            if len(cells) <= size:
                break
            # The cells just read had fewer records than cells: archived months, or not the reader's to see.
            after, size = Trail(cells[-1].pool_id, cells[-1].cell_id), size * 4
        return found

    def _of_whom(self) -> dict[str, Any]:
        """Which cells lead to the line: all of a divided pool's, else those of the users of its shares."""
        pairs = [
            (pool_id, share.user_id or "")
            for pool_id in self._pool_ids
            for share in self._pools[pool_id].shares
            if not self._pools[pool_id].is_divided
            and self._leads(share.allocation_id, share.passed_to)
        ]
        divided = [pool_id for pool_id in self._pool_ids if self._pools[pool_id].is_divided]
        return {
            "divided": divided,
            "of_pools": [pool_id for pool_id, _ in pairs],
            "of_users": [user for _, user in pairs],
        }

    def _leads(self, allocation_id: int, passed_to: Sequence[int]) -> bool:
        return allocation_id in self._claimed or any(
            self._leads(share.allocation_id, share.passed_to)
            for pool_id in passed_to
            if pool_id in self._pools
            for share in self._pools[pool_id].shares
        )

    def _of_cells(self, cells: Sequence[Any], after: Trail, most: int) -> list[_Found]:
        """The first records of these cells, in their order."""
        origins = origins_of(self._connection, [cell.cell_id for cell in cells])
        standing = [(cell, origins[cell.cell_id]) for cell in cells]
        is_same = (cells[0].pool_id, cells[0].cell_id) == after[:2] if cells else False
        pages = RecordPages(standing, (after.usage_id, after.revision) if is_same else None)
        found: list[_Found] = []
        while len(found) < most and (page := pages.following(most - len(found))):
            rows = self._connection.execute(page.statement, page.values).all()
            pages.had(page, len(rows))
            held = {origin.cell_id: (cell, origin) for cell, origin in page.cells}
            for row in rows:
                cell, origin = held[row.cell_id]
                trail = Trail(cell.pool_id, cell.cell_id, row.record_id, row.revision)
                found.append(_Found(row, self._borne(row.cost, cell, origin), trail))
        return found

    def _borne(self, cost: Decimal, cell: Any, origin: Origin) -> Decimal:
        units = -money.units(cost) if origin.is_taken_back else money.units(cost)
        parts = borne(units, cell.pool_id, cell.user_id, self._pools)
        return money.amount(sum(part for one, part in parts.items() if one in self._claimed))
