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


def summary(connection: Connection, stretch: Stretch, whose: Whose) -> Summary:
    """What was used in the stretch by those asked for."""
    values: dict[str, Any] = dict(whose._asdict())
    parts = []
    if stretch.whole is not None:
        values |= {"start": stretch.whole.start, "end": stretch.whole.end}
        parts.append(_WHOLE)
    for number, part in enumerate(stretch.parts):
        values |= {
            f"day_{number}": part.day,
            f"from_{number}": part.start,
            f"to_{number}": part.end,
        }
        parts.append(
            f"""SELECT {_SUMMED} FROM seen_records WHERE usage_date = :day_{number}
                AND usage_at >= :from_{number} AND usage_at < :to_{number} AND {_IS_WHOSE}"""  # noqa: S608
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


_RECORD = """coalesce(r.cell_id, 9223372036854775807) AS cell_id, r.usage_id AS record_id, r.revision,
    r.external_id, r.source_id, r.usage_at, r.team_id, r.user_id, r.agent_id, r.account_id, r.resource_type, r.unit,
    r.quantity, r.cost"""
_AFTER = """(coalesce(r.cell_id, 9223372036854775807), r.usage_id, r.revision)
    > (:cell_id, CAST(:usage_id AS uuid), :revision)"""
_IN_ORDER = "ORDER BY coalesce(r.cell_id, 9223372036854775807), r.usage_id, r.revision LIMIT :most"


def records(
    connection: Connection, period: Period | None, whose: Whose, after: Place, most: int
) -> list[Record]:
    """Records of the period's days, or of all; in an order that stays, so that a list can go on after a place."""
    values = {**whose._asdict(), **after._asdict(), "usage_id": str(after.usage_id), "most": most}
    days = ""
    if period is not None:
        days = "AND r.usage_date >= :start AND r.usage_date < :end"
        values |= {"start": period.start, "end": period.end}
    is_whose = _IS_WHOSE.replace("team_id =", "r.team_id =")
    found = connection.execute(
        text(
            f"""SELECT {_RECORD} FROM seen_records r
                WHERE {is_whose} {days} AND {_AFTER} {_IN_ORDER}"""  # noqa: S608
        ),
        values,
    ).all()
    return described(connection, found)


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
