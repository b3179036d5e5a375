"""The demo's LiteLLM: a database of its own next to the ledger, with a thousand calls in it, read by a reader.

Owns how that database comes to be. It is read like any LiteLLM: its address lies in a Prefect Secret
block, and the flow's worker opens it there.
"""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg2
from psycopg2 import errors, sql
from sqlalchemy import URL, make_url

from chargeback import money
from chargeback.ledger.reconcile import Reconciliation
from chargeback.settings import settings
from entrypoints import showing
from entrypoints.stack import Stack, ledger_url, owner_url

SOURCE = "litellm"
BLOCK = "litellm-demo"
CONFIG = {"dsn_block": BLOCK}
ROWS = "examples/litellm_spendlogs.csv"
TABLE = "examples/litellm_spendlogs.sql"
DATABASE = "litellm_demo"
READER = "litellm_reader"


@dataclass(frozen=True)
class Own:
    """What LiteLLM's own table adds up to, with every digit it holds."""

    rows: int
    total: Decimal


def owner_of(stack: Stack) -> URL:
    """Who may make databases where the stack's ledger is: its owner, of the embedded Postgres its superuser."""
    is_embedded = stack.database_url == ledger_url(stack.home)
    given = settings().owner_database_url or stack.database_url
    return make_url(owner_url(stack.home) if is_embedded else given)


def make(owner: URL) -> bool:
    """Make the database and its reader where they are missing, and put the reader's address into the block.

    False where this Postgres lets the ledger's owner make no further database: then there is no LiteLLM.
    Rerun: what is there stays; the reader gets a new password.
    """
    password = secrets.token_urlsafe(24)
    try:
        with _connected(owner) as connection:
            _make_database(connection)
            _make_reader(connection, password)
        with _connected(owner.set(database=DATABASE)) as connection:
            _fill(connection)
    except errors.InsufficientPrivilege:
        return False
    address = owner.set(
        drivername="postgresql", username=READER, password=password, database=DATABASE
    )
    _keep(address.render_as_string(hide_password=False))
    return True


def own(owner: URL) -> Own:
    """What the table says without us: the digits that Postgres prints of each float, added up."""
    with (
        _connected(owner.set(database=DATABASE)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute('SELECT count(*), sum("spend"::text::numeric) FROM "LiteLLM_SpendLogs"')
        rows, total = cursor.fetchone()
    return Own(rows, total)


def show_comparison(table: Own, found: Reconciliation) -> None:
    """LiteLLM's own total beside the ledger's, to the last digit."""
    ours = next(one for one in found.sources if one.source == SOURCE)
    kept = money.EXACT.add(ours.ledger.amount, ours.residual)
    difference = money.EXACT.subtract(table.total, kept)
    showing.table([
        {"": "its table", "rows": table.rows, found.currency: table.total},
        {"": "in the ledger", "rows": ours.ledger.rows, found.currency: ours.ledger.amount},
        {"": "residual beyond 18 decimals", "rows": None, found.currency: ours.residual},
        {"": "difference", "rows": table.rows - ours.ledger.rows, found.currency: difference},
    ], right=["rows", found.currency], title="LiteLLM's own table beside the ledger")  # fmt: skip


@contextmanager
def _connected(url: URL) -> Iterator[Any]:
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg2.connect(address)) as connection:
        connection.autocommit = True
        yield connection


def _make_database(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
        if cursor.rowcount == 0:
            cursor.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(DATABASE))
            )


def _make_reader(connection: Any, password: str) -> None:
    name = sql.Identifier(READER)
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (READER,))
        if cursor.rowcount == 0:
            cursor.execute(sql.SQL("CREATE ROLE {}").format(name))
        cursor.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(password))
        )


def _fill(connection: Any) -> None:
    """The table with its rows, in one transaction: whoever comes after a kill finds all or nothing."""
    root = settings().root
    connection.autocommit = False
    with connection, connection.cursor() as cursor:
        cursor.execute("""SELECT to_regclass('"LiteLLM_SpendLogs"') IS NULL""")
        if cursor.fetchone() == (True,):
            cursor.execute((root / TABLE).read_text(encoding="utf-8"))
            with (root / ROWS).open(encoding="utf-8") as file:
                columns = ", ".join(f'"{name}"' for name in file.readline().strip().split(","))
                cursor.copy_expert(f'COPY "LiteLLM_SpendLogs" ({columns}) FROM STDIN CSV', file)
            cursor.execute(
                sql.SQL('GRANT SELECT ON "LiteLLM_SpendLogs" TO {}').format(sql.Identifier(READER))
            )


def _keep(address: str) -> None:
    from prefect.blocks.system import Secret
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: settings().prefect_api_url}):
        Secret(value=address).save(BLOCK, overwrite=True)
