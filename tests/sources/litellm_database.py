"""LiteLLM's own Postgres: its real schema from all of its upstream migrations, and the sample in it."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import litellm_proxy_extras
import psycopg2

from tests.postgres import Server

MIGRATIONS = Path(litellm_proxy_extras.__file__).parent / "migrations"
SAMPLE = Path("examples/litellm_spendlogs.csv").resolve()
READER = "litellm_reader"
NUMBERS = ("spend",)
COUNTS = ("total_tokens", "prompt_tokens", "completion_tokens")


def make_template(server: Server) -> str:
    """A database on which every migration of upstream's package ran, as LiteLLM runs them."""
    name = server.create_database()
    with connected(server, name) as connection, connection.cursor() as cursor:
        for migration in sorted(MIGRATIONS.glob("*/migration.sql")):
            cursor.execute(migration.read_text(encoding="utf-8"))
        cursor.execute(
            f"DO $$BEGIN CREATE ROLE {READER} LOGIN; EXCEPTION WHEN duplicate_object THEN END$$"
        )
        cursor.execute(f'GRANT SELECT ON "LiteLLM_SpendLogs" TO {READER}')
    return name


@contextmanager
def connected(server: Server, name: str) -> Iterator[Any]:
    """A connection to the database as its owner; each statement commits."""
    connection = psycopg2.connect(host=str(server.folder), user="postgres", dbname=name)
    connection.autocommit = True
    try:
        yield connection
    finally:
        connection.close()


def dsn(server: Server, name: str) -> str:
    """The database's address as its reader."""
    return f"postgresql://{READER}@/{name}?host={server.folder}"


def fill(connection: Any) -> None:
    """Put the 1,000 rows of the sample in."""
    with SAMPLE.open(encoding="utf-8") as file, connection.cursor() as cursor:
        columns = ",".join(f'"{name}"' for name in file.readline().strip().split(","))
        cursor.copy_expert(f'COPY "LiteLLM_SpendLogs" ({columns}) FROM STDIN CSV', file)


def sample_rows() -> list[dict[str, Any]]:
    """The same rows as the HTTP interface tells them."""
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [_as_told(row) for row in rows]


def _as_told(row: dict[str, Any]) -> dict[str, Any]:
    day, clock = row["startTime"].split(" ")
    whole, _, fraction = clock.partition(".")
    return {
        **row,
        "startTime": f"{day}T{whole}.{fraction.ljust(3, '0')}+00:00",
        "spend": float(row["spend"]),
        **{name: int(row[name]) for name in COUNTS},
        "metadata": json.loads(row["metadata"]),
        "request_tags": json.loads(row["request_tags"]),
    }
