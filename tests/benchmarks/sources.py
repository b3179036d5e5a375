"""Reading each kind of source into the ledger, beside parsing alone and a bare COPY of the same records.

The same month is told by each of them. A floor of parsing reads every row with the library that the
source reads it with and looks at none; that of COPY writes the records the sync made into a second ledger.
"""

import csv
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from chargeback.ledger import ledger_settings, sync, usage_sources
from chargeback.ledger.database import transaction, upgrade
from chargeback.settings import settings
from chargeback.sources import SOURCES, open_source
from chargeback.sources.push import Batch, Push
from models.enums import SourceRole
from tests.benchmarks.company import write_usage
from tests.benchmarks.ledger import Measured, copied, seconds_of
from tests.postgres import Server
from tests.sources import litellm_database

AS_OF = datetime(2026, 11, 1, 4, tzinfo=UTC)
COLUMNS = {"external_id": "Call ID", "usage_at": "Timestamp", "cost": "Cost (USD)", "quantity": "Total Tokens",
           "resource_type": "Operation Type", "sku": "Model", "agent_id": "Agent ID"}  # fmt: skip
LITELLM_ROWS = """INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, spend, total_tokens,
    prompt_tokens, completion_tokens, "startTime", "endTime", model, "user", team_id, metadata)
    SELECT 'r-' || n, 'acompletion', 'key', n * 1.5e-7, n %% 500, n %% 400, n %% 100, at, at, 'gpt-4o',
        'u-' || n %% 1000, 'team-' || n %% 100, '{"user_api_key_alias": "alias"}'
    FROM generate_series(1, %s) n, LATERAL (SELECT timestamp '2026-10-01' + (n - 1) * interval '31 days' / %s AS at)"""


def measure(server: Server, folder: Path, records: int) -> Iterator[Measured]:
    """Tell the month to each source in turn and sync it."""
    template = server.create_database()
    upgrade(server.url(template))
    export, lines = folder / "sources.csv", folder / "sources.jsonl"
    write_usage(export, records, 1_000)
    _as_lines(export, lines)
    by_csv = {"path": str(export), "form": "csv"}
    mapped = {"columns": COLUMNS, "fixed": {"unit": "Tokens"}}
    by_lines = {"path": str(lines), "form": "json_lines"}
    database = _litellm(server, records)
    yield measured(
        server,
        template,
        folder,
        "cost_tracker (CSV)",
        "cost_tracker",
        by_csv,
        lambda: _parse_csv(export),
    )
    yield measured(
        server,
        template,
        folder,
        "mapped_file (CSV)",
        "mapped_file",
        by_csv | mapped,
        lambda: _parse_csv(export),
    )
    yield measured(server, template, folder, "mapped_file (JSON lines)", "mapped_file", by_lines | mapped,
                    lambda: _parse_lines(lines))  # fmt: skip
    yield measured(
        server, template, folder, "push (NDJSON)", "push", {}, lambda: _parse_lines(lines), lines
    )
    yield measured(server, template, folder, "litellm_db", "litellm_db", {"dsn_env": "LITELLM_URL"},
                    lambda: _parse_table(server, database))  # fmt: skip


def measured(
    server: Server, template: str, folder: Path, name: str, kind: str, config: dict[str, Any],
    parse: Callable[[], None], batch: Path | None = None,
) -> Measured:  # fmt: skip
    """Sync a new ledger from a source of this kind, beside `parse` and a COPY of the records that it made."""
    ledger, floors = server.create_database(template), server.create_database(template)
    role = SourceRole(SOURCES[kind].roles[0])
    os.environ["CHARGEBACK_DATABASE_URL"] = server.url(ledger, user="chargeback_app")
    settings.cache_clear()
    with transaction() as connection:
        ledger_settings.fix(connection)
        usage_sources.put(connection, "tracker", kind, role, config, "bench")
    with transaction(server.url(floors, user="chargeback_app")) as connection:
        usage_sources.put(connection, "tracker", kind, role, config, "bench")
    counts: list[sync.SyncCounts] = []
    took = seconds_of(lambda: counts.append(_read(kind, config, batch)))
    parsing = seconds_of(parse)
    with copied(server, ledger, floors, folder, ["usage_records"]) as copy:
        copying = seconds_of(copy)
    assert counts[0].quarantined == 0
    slower, what = max((parsing, "parsing"), (copying, "COPY"))
    new = counts[0].new
    return Measured(
        f"{name}, {new:,} rows", took, slower,
        f"{new / took:,.0f} rows/s; parsing alone {new / parsing:,.0f}, bare COPY {new / copying:,.0f}; "
        f"{slower / took:.2f} of the slower ({what})",
        "-", True,
    )  # fmt: skip


def _read(kind: str, config: dict[str, Any], batch: Path | None) -> sync.SyncCounts:
    if batch is None:
        return sync.sync("tracker", AS_OF)
    source = open_source(kind, config)
    assert isinstance(source, Push)
    with batch.open(encoding="utf-8") as text:
        return sync.take("tracker", Batch(source, text, "batch"), "bench")


def _as_lines(export: Path, lines: Path) -> None:
    """The same calls as JSON lines, under the columns' names and under those that are pushed."""
    with export.open(newline="") as text, lines.open("w") as out:
        for row in csv.DictReader(text):
            own = {fact: row[column] for fact, column in COLUMNS.items()}
            out.write(json.dumps(row | own) + "\n")


def _parse_csv(export: Path) -> None:
    with export.open(newline="") as text:
        for _ in csv.reader(text):
            pass


def _parse_lines(lines: Path) -> None:
    decoder = json.JSONDecoder(parse_float=Decimal)
    with lines.open() as text:
        for line in text:
            decoder.decode(line)


def _litellm(server: Server, records: int) -> str:
    name = litellm_database.make_template(server)
    with litellm_database.connected(server, name) as connection, connection.cursor() as cursor:
        cursor.execute(LITELLM_ROWS, (records, records))
        cursor.execute('ANALYZE "LiteLLM_SpendLogs"')
    os.environ["LITELLM_URL"] = litellm_database.dsn(server, name)
    return name


def _parse_table(server: Server, name: str) -> None:
    """The columns that are read, in one SELECT, as the driver gives them."""
    with litellm_database.connected(server, name) as connection, connection.cursor() as cursor:
        cursor.itersize = 5_000
        cursor.execute("""SELECT request_id, call_type, api_key, spend::text, total_tokens, prompt_tokens,
            completion_tokens, "startTime", model, "user", team_id, agent_id, request_tags, cache_hit,
            metadata->>'user_api_key_alias', metadata->>'user_api_key_team_id', metadata->>'user_api_key_user_id'
            FROM "LiteLLM_SpendLogs" ORDER BY "startTime", request_id""")
        for _ in cursor:
            pass
