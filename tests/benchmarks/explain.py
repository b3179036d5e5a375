"""The first page of the usage behind a line over very many records, and what bears one of them.

Two lines: one over the cells of a thousand agents, shared by a rule, and one over those of a single agent, which has
few cells with very many records each.
"""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import Connection, text

from chargeback.ledger import bearers, explaining, payers, usage_sources
from chargeback.ledger.allocation import allocate
from chargeback.ledger.database import snapshot, transaction, upgrade
from chargeback.ledger.drafting import draft_run
from chargeback.ledger.issuing import issue
from chargeback.ledger.line_usage import Trail, records
from chargeback.ledger.sync import sync
from chargeback.payers_file import read
from chargeback.periods import Period
from chargeback.settings import settings
from models.enums import SourceRole
from tests.benchmarks.company import END, write_usage
from tests.benchmarks.ledger import Measured, cursor_of, seconds_of
from tests.postgres import Server

PAGE = 100
GOAL_SECONDS = 0.2
OWNERS = """
teams: [{id: data}, {id: apps}]
rules:
  - {rule_id: shared, rule_type: fixed_split, match: {resource_types: [query]}, split_percentages: {data: 60, apps: 40},
     allocation_metadata: {entity_type: team}}
  - {rule_id: own, rule_type: fixed_split, match: {resource_types: [suggestion]}, split_percentages: {data: 100},
     allocation_metadata: {entity_type: team}}
"""
LINES = {"query": ("1,000 agents, shared", 1_000), "suggestion": ("one agent", 1)}


def measure(server: Server, folder: Path, records_per_line: int) -> Iterator[Measured]:
    """Bill both lines, then ask for the first page of each, one in the middle, and who bears a record."""
    ledger = server.create_database()
    upgrade(server.url(ledger))
    os.environ["CHARGEBACK_DATABASE_URL"] = server.url(ledger, user="chargeback_app")
    settings.cache_clear()
    with transaction() as connection:
        payers.import_file(connection, read(OWNERS, "owners"), "bench")
    for operation, (_, agents) in LINES.items():
        _load(folder / f"{operation}.csv", operation, agents, records_per_line)
    allocate(END)
    with transaction() as connection:
        drafted = draft_run(connection, Period(date(2026, 10, 1), END), END, "bench")
        issue(connection, [one.invoice_id for one in drafted], END, "bench")
    # Statistics as autovacuum would have gathered them by the time anybody asks.
    with cursor_of(server, ledger) as cursor:
        cursor.execute("ANALYZE")
    with snapshot() as connection:
        for operation in LINES:
            yield from _measure_line(connection, operation, records_per_line)


def _load(export: Path, operation: str, agents: int, count: int) -> None:
    write_usage(export, count, agents, (operation,))
    with transaction() as connection:
        config = {"path": str(export), "form": "csv"}
        usage_sources.put(
            connection, operation, "cost_tracker", SourceRole.ALLOCATE, config, "bench"
        )
    sync(operation, datetime(2026, 11, 1, 4, tzinfo=UTC))


def _measure_line(connection: Connection, operation: str, count: int) -> Iterator[Measured]:
    what = f"{LINES[operation][0]}, {count:,} records"
    row = connection.execute(
        text("""SELECT invoice_id, position FROM invoices JOIN invoice_lines l USING (invoice_id)
                WHERE invoices.team_id = 'data' AND resource_type = :type"""),
        {"type": operation},
    ).one()
    page = records(connection, row.invoice_id, row.position, Trail(), PAGE)
    assert len(page) == PAGE, "the line has more records than a page"
    after = page[-1].trail
    for name, work in {
        "the line's rules": lambda: explaining.line(connection, row.invoice_id, row.position),
        f"first {PAGE} records": lambda: records(
            connection, row.invoice_id, row.position, Trail(), PAGE
        ),
        "the page after it": lambda: records(connection, row.invoice_id, row.position, after, PAGE),
        "who bears a record": lambda: bearers.bearers(connection, page[0].record.record_id),
    }.items():
        took = sorted(seconds_of(work) for _ in range(5))[2]
        yield Measured(f"{name} ({what})", took, None, f"{took * 1000:.0f} ms", "<= 200 ms",
                       took <= GOAL_SECONDS)  # fmt: skip
