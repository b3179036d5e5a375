"""Usage records as text, out of their month and back, each value as Postgres reads it back as the same.

Owns the columns. It maps the table, which takes long to import, so only what archives or restores imports it.
"""

# ruff: noqa: S608 - queries are made of constants only

from collections.abc import Iterator
from datetime import date

from sqlalchemy import Connection, text
from sqlalchemy.dialects import postgresql

from chargeback.ledger.archives import IN_MONTH
from models.usage_record import UsageRecord

ROWS_PER_FETCH = 20_000

_INSTANT = """to_char(usage_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""

# Every column of a record: its type, and its value as text that Postgres reads back as the same value.
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_TYPES = {column.name: column.type.compile(_DIALECT) for column in UsageRecord.__table__.columns}
COLUMNS = {name: _INSTANT if name == "usage_at" else f"{name}::text" for name in _TYPES}

Values = tuple[str | None, ...]


def rows(connection: Connection, month: date) -> Iterator[Values]:
    """The month's records in the order of their ids, a bounded number of them in memory."""
    columns = ", ".join(COLUMNS.values())
    found = connection.execute(
        text(f"SELECT {columns} FROM {IN_MONTH} ORDER BY usage_id, revision, usage_at"),
        {"month": month},
        execution_options={"stream_results": True, "yield_per": ROWS_PER_FETCH},
    )
    for row in found:
        yield tuple(row)


def insert_from(connection: Connection, staged: str) -> int:
    """Book the records of a temporary table whose columns are text; how many."""
    casts = ", ".join(f"{name}::{type_}" for name, type_ in _TYPES.items())
    booked: int = connection.execute(
        text(f"INSERT INTO usage_records ({', '.join(COLUMNS)}) SELECT {casts} FROM {staged}")
    ).rowcount
    return booked
