"""Rows on their way in: COPY into a temporary table of this transaction.

Tables under row-level security take no COPY, so rows are staged and then inserted by one statement.
"""

from collections.abc import Iterable
from io import BytesIO, StringIO
from typing import Any

from sqlalchemy import Connection, text

from chargeback.ledger.copy_text import escaped


def _field(value: Any) -> str:
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, (list, tuple)):
        return escaped("{" + ",".join(_element(str(item)) for item in value) + "}")
    return "\\N" if value is None else escaped(str(value))


def _element(item: str) -> str:
    return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'


def stage(connection: Connection, table: str, columns: str, rows: Iterable[Iterable[Any]]) -> None:
    """Make the temporary table `table` (`columns` as in CREATE TABLE) and fill it; gone at commit."""
    buffer = StringIO()
    for row in rows:
        buffer.write("\t".join(map(_field, row)) + "\n")
    stage_rows(connection, table, columns, buffer.getvalue().encode())
    connection.execute(text(f"ANALYZE pg_temp.{table}"))


def stage_rows(connection: Connection, table: str, columns: str, rows: bytes) -> None:
    """The same from rows already written in COPY's text format."""
    connection.execute(text(f"DROP TABLE IF EXISTS pg_temp.{table}"))
    connection.execute(text(f"CREATE TEMPORARY TABLE {table} ({columns}) ON COMMIT DROP"))
    append_rows(connection, table, rows)


def append_rows(connection: Connection, table: str, rows: bytes) -> None:
    """Add rows written in COPY's text format to a temporary table that is there."""
    driver = connection.connection.driver_connection
    assert driver is not None, "a connection in a transaction has its driver's connection"
    with driver.cursor() as cursor:
        cursor.copy_expert(f"COPY pg_temp.{table} FROM STDIN", BytesIO(rows), size=1 << 20)
