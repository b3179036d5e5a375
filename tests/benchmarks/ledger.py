"""Sync, allocation and drafting of one month, each beside its floor on the same server.

The floors write the very rows we made into the very same tables of a second ledger, as superuser, so that
indexes, constraints and partitions are the same.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg2

from chargeback.ledger import payers, usage_sources
from chargeback.ledger.allocation import allocate
from chargeback.ledger.database import transaction, upgrade
from chargeback.ledger.drafting import draft_run
from chargeback.ledger.issuing import issue
from chargeback.ledger.reallocation import Reallocated, reallocate
from chargeback.payers_file import read
from chargeback.periods import Period
from chargeback.settings import settings
from models.enums import SourceRole
from tests.benchmarks.company import END, corrections_yaml, payers_yaml, write_usage
from tests.postgres import Server

BUSINESS_DATE = date(2026, 11, 1)
# Syncs in a process of its own, whose memory and whose reader's are then all the sync's.
SYNC = """
import json, resource, time
from datetime import UTC, datetime
from chargeback.ledger.sync import sync
began = time.perf_counter()
counts = sync("tracker", datetime(2026, 11, 1, 4, tzinfo=UTC))
print(json.dumps({"seconds": time.perf_counter() - began, "new": counts.new, "unchanged": counts.unchanged,
    "megabytes": sum(resource.getrusage(who).ru_maxrss
                     for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024}))
"""


@dataclass(frozen=True)
class Measured:
    """One figure: what, how it went beside its floor, and the goal for that."""

    name: str
    seconds: float
    floor_seconds: float | None
    figure: str
    goal: str
    is_met: bool


def seconds_of(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(server: Server, folder: Path, records: int, teams: int) -> Iterator[Measured]:
    """Make the company, then measure each part in the order of a month."""
    export = folder / "usage.csv"
    # In a process of its own: what this one ever held would count as memory of those that it starts.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as writer:
        writer.submit(write_usage, export, records, teams).result()
    ledger, floors = server.create_database(), server.create_database()
    config = {"path": str(export), "form": "csv"}
    for database in (ledger, floors):
        upgrade(server.url(database))
        with transaction(server.url(database, user="chargeback_app")) as connection:
            payers.import_file(connection, read(payers_yaml(teams), "company"), "bench")
            usage_sources.put(
                connection, "tracker", "cost_tracker", SourceRole.ALLOCATE, config, "bench"
            )
    os.environ["CHARGEBACK_DATABASE_URL"] = server.url(ledger, user="chargeback_app")
    settings.cache_clear()
    yield from _measure_sync(server, ledger, floors, folder, records)
    allocation = list(_measure_allocation(server, ledger, floors, folder, records))
    yield from allocation
    yield from _measure_drafting(teams)
    yield from _measure_reallocation(teams, allocation[0].seconds)


def _sync() -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", SYNC], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def _measure_sync(
    server: Server, ledger: str, floors: str, folder: Path, records: int
) -> Iterator[Measured]:
    first = _sync()
    with copied(server, ledger, floors, folder, ["usage_records"]) as copy:
        floor = seconds_of(copy)
    again = _sync()
    ratio = floor / first["seconds"]
    yield Measured(
        f"sync of {records:,} records", first["seconds"], floor,
        f"{ratio:.2f} of the rate of a bare COPY, {records / first['seconds']:,.0f} records/s",
        ">= 0.45", ratio >= 0.45,
    )  # fmt: skip
    yield Measured("the same again, nothing new", again["seconds"], None,
                   f"{again['unchanged']:,.0f} unchanged, {again['new']:.0f} new", "-", again["new"] == 0)  # fmt: skip
    yield Measured("memory of the sync", first["seconds"], None, f"{first['megabytes']:.0f} MB", "<= 500 MB",
                   first["megabytes"] <= 500)  # fmt: skip


def _measure_allocation(
    server: Server, ledger: str, floors: str, folder: Path, records: int
) -> Iterator[Measured]:
    # Statistics as autovacuum would have gathered them by the time a month is allocated.
    with cursor_of(server, ledger) as cursor:
        cursor.execute("ANALYZE")
    took = seconds_of(lambda: allocate(END))
    grouped = _group_by(server, ledger)
    with copied(
        server, ledger, floors, folder, ["cost_pools", "pool_cells", "allocations"]
    ) as copy:
        floor = grouped + seconds_of(copy)
    again = seconds_of(lambda: allocate(END))
    goal = 2 if records < 10_000_000 else 1
    yield Measured("allocation of the month, 50 rules", took, floor, f"{took / floor:.2f} of the floor", f"<= {goal}",
                   took / floor <= goal)  # fmt: skip
    yield Measured("the same again, nothing new", again, floor, f"{again / floor:.3f} of the floor", "<= 0.05",
                   again / floor <= 0.05)  # fmt: skip


def _measure_drafting(teams: int) -> Iterator[Measured]:
    ids: list[int] = []

    def draft() -> None:
        with transaction() as connection:
            ids.extend(
                d.invoice_id
                for d in draft_run(
                    connection, Period(date(2026, 10, 1), END), BUSINESS_DATE, "bench"
                )
            )

    def send() -> None:
        with transaction() as connection:
            issue(connection, ids, BUSINESS_DATE, "bench")

    took = seconds_of(draft)
    yield Measured(f"drafting {len(ids):,} invoices", took, None, f"{len(ids) / took:,.0f}/s", "<= 5 s per 1,000",
                   took <= 5 * teams / 1000)  # fmt: skip
    took = seconds_of(send)
    yield Measured(
        f"issuing {len(ids):,} invoices", took, None, f"{len(ids) / took:,.0f}/s", "-", True
    )


def _measure_reallocation(teams: int, allocation_seconds: float) -> Iterator[Measured]:
    """Of the month, all of it billed, a tenth of the agents turn out to be other teams', and so do two splits."""
    with transaction() as connection:
        payers.import_file(connection, read(corrections_yaml(teams), "corrections"), "bench")
    found: list[Reallocated] = []
    for name in ("reallocation of the month", "the same again, nothing moves"):
        took = seconds_of(
            lambda: found.append(reallocate(Period(date(2026, 10, 1), END), "a benchmark", "bench"))
        )
        ratio, goal = took / allocation_seconds, 2 if len(found) == 1 else 1
        moved = f"{found[-1].cells:,} cells of {len(found[-1].shares):,} payers"
        yield Measured(name, took, allocation_seconds, f"{ratio:.2f} of its allocation, {moved}", f"<= {goal}",
                       ratio <= goal)  # fmt: skip


@contextmanager
def cursor_of(server: Server, database: str) -> Iterator["psycopg2.extensions.cursor"]:
    """A transaction as superuser."""
    connection = psycopg2.connect(server.url(database).replace("+psycopg2", ""))
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _group_by(server: Server, ledger: str) -> float:
    """One bare GROUP BY over the raw records, by what a pool is made of."""
    with cursor_of(server, ledger) as cursor:
        return seconds_of(
            lambda: cursor.execute("""
                CREATE TEMPORARY TABLE grouped AS
                SELECT usage_date, source_id, agent_id, resource_type, unit,
                    sum(cost) AS cost, sum(quantity) AS quantity, count(*) AS records
                FROM usage_records GROUP BY usage_date, source_id, agent_id, resource_type, unit""")
        )


@contextmanager
def copied(
    server: Server, ledger: str, floors: str, folder: Path, tables: list[str]
) -> Iterator[Callable[[], None]]:
    """Gives the work of copying the tables' rows, already written out, into the second ledger."""
    files = {table: folder / f"{table}.copy" for table in tables}
    with cursor_of(server, ledger) as cursor:
        for table, file in files.items():
            with file.open("wb") as out:
                cursor.copy_expert(f"COPY (SELECT * FROM {table}) TO STDOUT", out, size=1 << 20)
    with cursor_of(server, floors) as cursor:
        cursor.execute("SELECT ensure_partition(DATE '2026-10-01')")

    def copy() -> None:
        with cursor_of(server, floors) as cursor:
            for table, file in files.items():
                with file.open("rb") as rows:
                    cursor.copy_expert(f"COPY {table} FROM STDIN", rows, size=1 << 20)

    yield copy
    for file in files.values():
        file.unlink()
