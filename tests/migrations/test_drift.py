"""The classes in `models` and the tables that the migrations make are the same.

Checks, triggers and grants are the migrations' alone; `test_guards` and `test_access` hold those.
"""

import re
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text

from models.tables import Base
from tests.conftest import Ledger
from tests.postgres import Server

PARTITION = re.compile(r"usage_records_\d{4}_\d\d")

# What Postgres itself knows about every table but partitions and Alembic's own.
DESCRIPTION = text(
    r"""
WITH tables AS (
    SELECT oid, oid::regclass::text AS name FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    AND relname <> 'alembic_version'
)
SELECT format('%s.%s %s%s default %s identity %s', name, attname, format_type(atttypid, atttypmod),
    CASE WHEN attnotnull THEN ' not null' END, pg_get_expr(adbin, adrelid), attidentity)
FROM tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
UNION ALL
SELECT pg_get_indexdef(indexrelid) FROM tables JOIN pg_index ON indrelid = tables.oid
UNION ALL
SELECT format('%s %s %s', name, conname, pg_get_constraintdef(pg_constraint.oid))
FROM tables JOIN pg_constraint ON conrelid = tables.oid WHERE contype IN ('p', 'u', 'f', 'x')
UNION ALL
SELECT format('%s partitioned by %s', name, pg_get_partkeydef(oid)) FROM tables
"""
)
DOMAINS = "CREATE DOMAIN amount AS numeric(38, 18); CREATE DOMAIN raw_amount AS numeric"


def _is_ours(item: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
    """Everything but the monthly partitions, which the ledger makes itself."""
    table = name if kind == "table" else item.table.name
    return not PARTITION.fullmatch(table or "")


def _described(connection: Connection) -> set[str]:
    return set(connection.execute(DESCRIPTION).scalars())


def test_alembic_finds_no_difference(ledger: Ledger) -> None:
    owner = create_engine(ledger.owner_url)
    with owner.begin() as connection:
        connection.execute(text("SELECT ensure_partition('2026-10-01')"))
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_object": _is_ours,
            },
        )
        differences = compare_metadata(context, Base.metadata)
    owner.dispose()
    assert differences == []


def test_postgres_describes_tables_made_from_the_models_as_it_does_the_ledgers(
    ledger: Ledger, postgres: Server
) -> None:
    bare = postgres.create_database()
    described = []
    for url, is_bare in ((ledger.owner_url, False), (postgres.url(bare), True)):
        made = create_engine(url)
        with made.begin() as connection:
            if is_bare:
                connection.execute(text(f"CREATE EXTENSION btree_gist; {DOMAINS}"))
                Base.metadata.create_all(connection)
            described.append(_described(connection))
        made.dispose()
    postgres.drop_database(bare)
    of_ledger, of_models = described
    assert len(of_ledger) > 26 * 4
    assert sorted(of_ledger - of_models) == []
    assert sorted(of_models - of_ledger) == []
