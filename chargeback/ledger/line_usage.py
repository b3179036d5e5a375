"""The usage behind a line of a document, record by record, and what the line bears of each.

Reads the views `seen_*`, in which every role finds what it may see: of a shared cost a viewer is shown its own
team's records. A page reads pools, cells and records only until it is full, so it costs what it shows, not what
the line bears.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.ledger.explaining import claiming, signed
from chargeback.ledger.pool_shares import load_pools
from chargeback.ledger.record_origins import Origin, origins_of
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
    SELECT pool_id FROM behind WHERE pool_id >= :pool_id ORDER BY pool_id
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
    WHERE (pool_id, cell_id) >= (:pool_id, :cell_id)
      AND (pool_id = ANY (CAST(:divided AS bigint[])) OR (pool_id, coalesce(user_id, '')) IN (
        SELECT * FROM unnest(CAST(:of_pools AS bigint[]), CAST(:of_users AS text[]))))
    ORDER BY pool_id, cell_id LIMIT :most
""")
_RECORDS = text("""
    SELECT o.place, r.cell_id, r.usage_id AS record_id, r.revision, r.external_id, r.source_id, r.usage_at, r.team_id,
        r.user_id, r.agent_id, r.account_id, r.resource_type, r.unit, r.quantity, r.cost
    FROM seen_records r
    JOIN unnest(CAST(:cells AS bigint[])) WITH ORDINALITY AS o (cell_id, place) ON o.cell_id = r.cell_id
    WHERE r.cell_id = ANY (CAST(:cells AS bigint[]))
      AND (o.place > 1 OR (r.usage_id, r.revision) > (CAST(:usage_id AS uuid), :revision))
      AND (o.place, r.usage_id, r.revision) NOT IN (
        SELECT * FROM unnest(CAST(:out_places AS bigint[]), CAST(:out_ids AS uuid[]), CAST(:out_revisions AS integer[])))
    ORDER BY o.place, r.usage_id, r.revision LIMIT :most
""")


def records(
    connection: Connection, invoice_id: int, position: int, after: Trail, most: int
) -> list[BorneRecord]:
    """The records behind a line after a place, by pool and cell; of a credit note's line, what it takes back.

    Raises NotFound where the document has no such line.
    """
    line = claiming(connection, invoice_id, position)
    pools = list(
        connection.execute(_POOLS, {"line": line.claiming_id, "pool_id": after.pool_id}).scalars()
    )
    found: list[BorneRecord] = []
    taken, size = 0, 1
    while taken < len(pools) and len(found) < most:
        reading = _Reading(
            connection, line.claiming_id, line.is_credit, pools[taken : taken + size]
        )
        found += reading.records(after, most - len(found))
        taken, size, after = taken + size, size * 2, Trail()
    return found


class _Reading:
    """Some of a line's pools, being read."""

    def __init__(
        self, connection: Connection, line_id: int, is_credit: bool, pool_ids: Sequence[int]
    ) -> None:
        self._connection = connection
        self._is_credit = is_credit
        self._pools = load_pools(connection, pool_ids)
        # A viewer does not see the earlier stages' pools that its team has no part of.
        self._pool_ids = [pool_id for pool_id in pool_ids if pool_id in self._pools]
        asked = {"line": line_id, "pools": list(self._pools)}
        self._claimed = set(connection.execute(_CLAIMED, asked).scalars())

    def records(self, after: Trail, most: int) -> list[BorneRecord]:
        """The records of these pools' cells; cells are read on until there are enough, or no more."""
        found: list[BorneRecord] = []
        values = self._of_whom() | {"pools": self._pool_ids}
        size = most
        while len(found) < most:
            place = {"pool_id": after.pool_id, "cell_id": after.cell_id, "most": size + 1}
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

    def _of_cells(self, cells: Sequence[Any], after: Trail, most: int) -> Iterator[BorneRecord]:
        if not cells:
            return
        origins = origins_of(self._connection, [cell.cell_id for cell in cells])
        is_same = (cells[0].pool_id, cells[0].cell_id) == (after.pool_id, after.cell_id)
        start = after if is_same else Trail()
        rows = self._connection.execute(
            _RECORDS,
            {
                "cells": [origins[cell.cell_id].cell_id for cell in cells],
                "usage_id": str(start.usage_id),
                "revision": start.revision,
                "most": most,
                **_left_out([origins[cell.cell_id] for cell in cells]),
            },
        ).all()
        for row, record in zip(rows, described(self._connection, rows), strict=True):
            cell = cells[row.place - 1]
            trail = Trail(cell.pool_id, cell.cell_id, record.record_id, record.revision)
            yield BorneRecord(record, self._borne(record, cell, origins[cell.cell_id]), trail)

    def _borne(self, record: Record, cell: Any, origin: Origin) -> Decimal:
        cost = -money.units(record.cost) if origin.is_taken_back else money.units(record.cost)
        parts = borne(cost, cell.pool_id, cell.user_id, self._pools)
        units = sum(part for allocation_id, part in parts.items() if allocation_id in self._claimed)
        return signed(money.amount(units), self._is_credit)


def _left_out(origins: Sequence[Origin]) -> dict[str, list[Any]]:
    """What each cell, by its place, does not stand for of its origin's records."""
    found = [(place, *one) for place, origin in enumerate(origins, 1) for one in origin.left_out]
    return {
        "out_places": [place for place, _, _ in found],
        "out_ids": [str(usage_id) for _, usage_id, _ in found],
        "out_revisions": [revision for _, _, revision in found],
    }
