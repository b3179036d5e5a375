"""Usage as it is asked for: summed up over a stretch of time, or record by record.

Reads the views `seen_*`, in which every role finds what it may see. Whole days are read from cells and open
batches, the part-days at either end from records.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from chargeback.ledger.posting import exact
from chargeback.periods import Period
from chargeback.stretch import Stretch


class Whose(NamedTuple):
    """Whose usage is asked for; None asks for anybody's."""

    team_id: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    resource_type: str | None = None


class Sums(NamedTuple):
    """What usage comes to, exact; `record_count` counts a reversal as -1."""

    cost: Decimal = Decimal(0)
    quantity: Decimal = Decimal(0)
    record_count: int = 0


@dataclass(frozen=True)
class Summary:
    """Usage of a stretch: all of it, and by resource type and agent; what has no agent is in the total only."""

    total: Sums
    by_resource_type: dict[str, Sums]
    by_agent: dict[str, Sums]


_IS_WHOSE = """(CAST(:team_id AS text) IS NULL OR team_id = :team_id)
    AND (CAST(:user_id AS text) IS NULL OR user_id = :user_id)
    AND (CAST(:agent_id AS text) IS NULL OR agent_id = :agent_id)
    AND (CAST(:resource_type AS text) IS NULL OR resource_type = :resource_type)"""
_SUMMED = "resource_type, agent_id, cost, quantity, record_count"
_WHOLE = f"""
    SELECT {_SUMMED} FROM seen_cells WHERE usage_date >= :start AND usage_date < :end AND {_IS_WHOSE}
    UNION ALL
    SELECT {_SUMMED} FROM seen_open_records WHERE usage_date >= :start AND usage_date < :end AND {_IS_WHOSE}
"""  # noqa: S608 - made of constants only


# Records are asked for by the ids of their cells: only what is constant in a query reaches into a view's parts.
_CELLS_OF_DAY = text(f"""
    SELECT cell_id FROM seen_cells WHERE usage_date = :day AND reallocation_id IS NULL AND {_IS_WHOSE}
""")  # noqa: S608 - made of constants only


def summary(connection: Connection, stretch: Stretch, whose: Whose) -> Summary:
    """What was used in the stretch by those asked for."""
    values: dict[str, Any] = dict(whose._asdict())
    parts = []
    if stretch.whole is not None:
        values |= {"start": stretch.whole.start, "end": stretch.whole.end}
        parts.append(_WHOLE)
    for number, part in enumerate(stretch.parts):
        cells = connection.execute(_CELLS_OF_DAY, {**whose._asdict(), "day": part.day}).scalars()
        values |= {f"cells_{number}": list(cells), f"day_{number}": part.day}
        values |= {f"from_{number}": part.start, f"to_{number}": part.end}
        is_then = f"usage_at >= :from_{number} AND usage_at < :to_{number}"
        parts.append(
            f"""SELECT {_SUMMED} FROM seen_records WHERE cell_id = ANY (CAST(:cells_{number} AS bigint[])) AND {is_then}
                UNION ALL
                SELECT {_SUMMED} FROM seen_open_records
                WHERE usage_date = :day_{number} AND {is_then} AND {_IS_WHOSE}"""  # noqa: S608
        )
    rows = connection.execute(
        text(f"""
            SELECT grouping(resource_type, agent_id) AS grouped, resource_type, agent_id,
                sum(cost) AS cost, sum(quantity) AS quantity, sum(record_count) AS record_count
            FROM ({" UNION ALL ".join(parts)}) used GROUP BY GROUPING SETS ((), (resource_type), (agent_id))
            ORDER BY grouped, resource_type COLLATE "C", agent_id COLLATE "C" """),  # noqa: S608
        values,
    ).all()
    return _summary(rows)


_BY_TYPE, _BY_AGENT, _ALL = 1, 2, 3


def _summary(rows: Sequence[Any]) -> Summary:
    total = Sums()
    by_type: dict[str, Sums] = {}
    by_agent: dict[str, Sums] = {}
    for row in rows:
        sums = Sums(row.cost or Decimal(0), row.quantity or Decimal(0), int(row.record_count or 0))
        if row.grouped == _ALL:
            total = sums
        elif row.grouped == _BY_TYPE:
            by_type[row.resource_type] = sums
        elif row.agent_id is not None:
            by_agent[row.agent_id] = sums
    return Summary(total, by_type, by_agent)


class Place(NamedTuple):
    """Where a list of records goes on: after this record of this cell; open batches come last."""

    cell_id: int = 0
    usage_id: UUID = UUID(int=0)
    revision: int = 0


# A record that lies in no cell yet comes after all that do.
IN_NO_CELL = 2**63 - 1


@dataclass(frozen=True)
class Record:
    """A record in a list; `usage_id` as its sender or tracker named it, `team_id` the attributed team."""

    usage_id: str
    record_id: UUID
    revision: int
    source: str
    usage_at: datetime
    team_id: str | None
    user_id: str | None
    agent_id: str | None
    account_id: str | None
    resource_type: str
    unit: str
    quantity: Decimal
    cost: Decimal
    resource_id: str | None
    metadata: Any
    place: Place


_RECORD = """r.usage_id AS record_id, r.revision, r.external_id, r.source_id, r.usage_at, r.team_id, r.user_id,
    r.agent_id, r.account_id, r.resource_type, r.unit, r.quantity, r.cost"""
# Enough cells, in the order of their ids, to have `most` records after those of the cell where the list stopped.
ENOUGH_CELLS = """
    SELECT cell_id FROM (
        SELECT cell_id, sum(CASE WHEN cell_id > :cell_id THEN abs(record_count) ELSE 0 END)
            OVER (ORDER BY cell_id ROWS UNBOUNDED PRECEDING) - abs(record_count) AS before
        FROM seen_cells c WHERE reallocation_id IS NULL AND cell_id >= :cell_id AND {condition}) counted
    WHERE before <= :most
"""
_OF_CELLS = text(f"""
    SELECT r.cell_id, {_RECORD} FROM seen_records r
    WHERE r.cell_id = ANY (CAST(:cells AS bigint[]))
      AND (r.cell_id, r.usage_id, r.revision) > (:cell_id, CAST(:usage_id AS uuid), :revision)
    ORDER BY r.cell_id, r.usage_id, r.revision LIMIT :most
""")  # noqa: S608 - made of constants only
_OPEN = f"""
    SELECT {IN_NO_CELL} AS cell_id, {_RECORD} FROM seen_open_records r
    WHERE {{condition}} AND (r.usage_id, r.revision) > (CAST(:usage_id AS uuid), :revision)
    ORDER BY r.usage_id, r.revision LIMIT :most
"""  # noqa: S608 - made of constants only


def records(
    connection: Connection, period: Period | None, whose: Whose, after: Place, most: int
) -> list[Record]:
    """Records of the period's days, or of all; in an order that stays, so that a list can go on after a place."""
    values: dict[str, Any] = dict(whose._asdict())
    condition = _IS_WHOSE
    if period is not None:
        condition += " AND usage_date >= :start AND usage_date < :end"
        values |= {"start": period.start, "end": period.end}
    found: list[Any] = []
    if after.cell_id < IN_NO_CELL:
        cells = connection.execute(
            text(ENOUGH_CELLS.format(condition=condition)),
            {**values, "cell_id": after.cell_id, "most": most},
        ).scalars()
        found += of_cells(connection, list(cells), after, most)
        after = Place(IN_NO_CELL)
    if len(found) < most:
        left = {**values, "usage_id": str(after.usage_id), "revision": after.revision}
        found += connection.execute(
            text(_OPEN.format(condition=condition)), {**left, "most": most - len(found)}
        )
    return described(connection, found)


def of_cells(
    connection: Connection, cells: Sequence[int], after: Place, most: int
) -> Sequence[Any]:
    """The rows of these cells' records after a place."""
    values = {
        **after._asdict(),
        "usage_id": str(after.usage_id),
        "cells": list(cells),
        "most": most,
    }
    return connection.execute(_OF_CELLS, values).all()


def described(connection: Connection, rows: Sequence[Any]) -> list[Record]:
    """The rows as records, with the names of their sources and what their senders said beside them."""
    notes = {
        row.usage_id: row
        for row in connection.execute(
            text("""SELECT usage_id, resource_id, CAST(metadata AS text) AS metadata FROM seen_notes
                    WHERE usage_id = ANY (CAST(:ids AS uuid[]))"""),
            {"ids": [str(row.record_id) for row in rows]},
        )
    }
    names = dict(
        connection.execute(text("SELECT source_id, name FROM seen_sources")).tuples().all()
    )
    return [_record(row, notes.get(row.record_id), names[row.source_id]) for row in rows]


def _record(row: Any, note: Any, source: str) -> Record:
    return Record(
        row.external_id, row.record_id, row.revision, source, row.usage_at, row.team_id, row.user_id, row.agent_id,
        row.account_id, row.resource_type, row.unit, row.quantity, row.cost,
        note.resource_id if note else None, exact(note.metadata) if note else None,
        Place(row.cell_id, row.record_id, row.revision),
    )  # fmt: skip


def is_known(connection: Connection, payer: str, payer_id: str) -> bool:
    """Whether there is such a `team` or `user` for who asks."""
    table, column = {"team": ("seen_teams", "team_id"), "user": ("seen_users", "user_id")}[payer]
    return bool(
        connection.execute(
            text(f"SELECT EXISTS (SELECT FROM {table} WHERE {column} = :id)"),  # noqa: S608
            {"id": payer_id},
        ).scalar()
    )
