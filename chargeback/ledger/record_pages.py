"""How the records of many cells are read a page at a time, each by few rows of an index.

Owns the queries: a few cells together where they are small; of a cell with very many records, a stretch of their ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from chargeback.ledger.record_origins import Origin

# So many cells at a time are looked up by their index; of more the planner would rather read every record there is.
# Where they have none, in months that were archived, more and more at a time.
_FEW_CELLS, _MOST_CELLS = 16, 16_384
# Ids are hashes and lie evenly: a stretch of them twice as long as the page needs mostly has enough.
_DENSE_RECORDS, _STRETCH = 2_000, 2
_LAST_ID, _LAST_REVISION = 2**128 - 1, 2**31 - 1

# Cell by cell, whatever the planner thinks of them together: it would read every record for as few as sixteen.
_RECORDS = """
    SELECT r.* FROM unnest(CAST(:cells AS bigint[])) WITH ORDINALITY asked (cell_id, at) CROSS JOIN LATERAL (
    SELECT r.cell_id, r.usage_id AS record_id, r.revision, r.external_id, r.source_id, r.usage_at, r.team_id,
        r.user_id, r.agent_id, r.account_id, r.resource_type, r.unit, r.quantity, r.cost
    FROM seen_records r WHERE r.cell_id = asked.cell_id {further}
    ORDER BY r.usage_id, r.revision LIMIT :most) r
    ORDER BY asked.at, r.record_id, r.revision LIMIT :most
"""
_AFTER = """AND (r.cell_id <> :first OR (r.usage_id, r.revision) > (CAST(:usage_id AS uuid), :revision))"""
_STRETCHED = """AND r.usage_id >= CAST(:usage_id AS uuid) AND r.usage_id <= CAST(:until AS uuid)"""
_WITHOUT = """AND (r.usage_id, r.revision) NOT IN (
        SELECT * FROM unnest(CAST(:out_ids AS uuid[]), CAST(:out_revisions AS integer[])))"""


@dataclass(frozen=True)
class RecordPage:
    """One query: the records of these cells, at most `values["most"]`; `until` where it is of a stretch of ids."""

    cells: Sequence[tuple[Any, Origin]]
    statement: TextClause
    values: dict[str, Any]
    until: UUID | None = None


class RecordPages:
    """The queries that read cells in their order, each with its origin; beginning after a record of the first."""

    def __init__(self, cells: Sequence[tuple[Any, Origin]], after: tuple[UUID, int] | None) -> None:
        self._cells = cells
        self._at = 0
        self._after = after
        self._size = _FEW_CELLS

    def following(self, most: int) -> RecordPage | None:
        """The next query, for at most `most` records; None where all cells are read."""
        if self._at == len(self._cells):
            return None
        if self._cells[self._at][1].records > _DENSE_RECORDS:
            return self._stretch(most)
        return self._page(self._together(most), most, None)

    def had(self, page: RecordPage, rows: int) -> None:
        """Go on behind a query that had so many rows."""
        self._size = _FEW_CELLS if rows else min(self._size * 4, _MOST_CELLS)
        if page.until is not None and page.until.int < _LAST_ID:
            self._after = (page.until, _LAST_REVISION)
        elif rows < page.values["most"]:
            self._at, self._after = self._at + len(page.cells), None

    def _together(self, most: int) -> list[tuple[Any, Origin]]:
        """As many of the next cells as have enough records; none twice, and one that leaves records out alone."""
        found: list[tuple[Any, Origin]] = []
        seen: set[int] = set()
        enough = 0
        for cell, origin in self._cells[self._at : self._at + self._size]:
            is_apart = origin.cell_id in seen or origin.records > _DENSE_RECORDS or origin.left_out
            is_enough = enough >= most and self._size == _FEW_CELLS
            if found and (is_apart or is_enough):
                break
            found.append((cell, origin))
            seen.add(origin.cell_id)
            enough += origin.records
            if origin.left_out:
                break
        return found

    def _stretch(self, most: int) -> RecordPage:
        cell = self._cells[self._at]
        start = self._after[0].int if self._after else 0
        length = _LAST_ID * _STRETCH * most // cell[1].records
        return self._page([cell], most, UUID(int=min(start + length, _LAST_ID)))

    def _page(
        self, cells: Sequence[tuple[Any, Origin]], most: int, until: UUID | None
    ) -> RecordPage:
        usage_id, revision = self._after or (UUID(int=0), 0)
        left_out = cells[0][1].left_out
        conditions = [
            *([_AFTER] if self._after else []),
            *([_STRETCHED] if until else []),
            *([_WITHOUT] if left_out else []),
        ]
        values = {
            "cells": [origin.cell_id for _, origin in cells],
            "most": most,
            "first": cells[0][1].cell_id,
            "usage_id": str(usage_id),
            "revision": revision,
            "until": str(until),
            "out_ids": [str(one) for one, _ in left_out],
            "out_revisions": [number for _, number in left_out],
        }
        statement = text(_RECORDS.format(further=" ".join(conditions)))
        return RecordPage(cells, statement, values, until)
