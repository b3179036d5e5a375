"""Usage on its way into the ledger, one kind of delivery each: what a step reads, and what lies there for it."""

import csv
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from chargeback import posted_usage
from chargeback.errors import Refused
from chargeback.ledger import (
    fixes,
    idempotency,
    open_batches,
    posting,
    rates,
    usage_sources,
    waiting_snapshots,
    withdrawal,
)
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.sync import sync
from chargeback.rate_files import read_exchange_rates, read_rates
from chargeback.row_fixes import Fix
from models.enums import FixOperation, SourceRole
from tests.faults.month import READ_AT, SOURCE, STEPS, WEEK, name_source, name_tracker, write_export
from tests.ledger.books import ACTOR
from tests.ledger.cloud import Row, row

# Where the story's tracker is asked.
TRACKER_URL = "CRASHES_TRACKER_URL"
CLOUD, EUROS, BROKEN = "cloud", "euros", "broken"
FIRST = [row("1.00", "r-1", "a-1"), row("2.00", "r-2", "a-1"), row("4.00", "r-3", "a-3")]
# A row of the first account changes, and a second account appears.
NEXT = [row("1.10", "r-1", "a-1"), FIRST[1], row("8.00", "r-4", "a-2"), FIRST[2]]
# The first account lost most of its cost.
FALLEN = [row("0.20", "r-1", "a-1"), *NEXT[2:]]
POSTED_AT = datetime(2026, 10, 20, 12, tzinfo=UTC)
POSTS = [
    {"usage_id": f"p-{n}", "team_id": "team-etl", "cost_usd": f"{n}.125",
     "timestamp": "2026-10-20T10:00:00Z", "resource_id": f"job-{n}"}
    for n in range(3)
]  # fmt: skip


def name_week(folder: Path) -> None:
    """A week of the example's export."""
    write_export(folder / "export.json", WEEK)
    name_source(folder / "export.json")


def name_tracker_of_week(_folder: Path) -> None:
    """The same week in a tracker that is asked for what came since the cursor."""
    name_tracker(os.environ[TRACKER_URL])


def name_changed_week(folder: Path) -> None:
    """The same export, in which every tenth record costs something else and an eighth day came late."""
    path = folder / "changed.json"
    write_export(path, [*WEEK, "2026-10-21"])
    told = json.loads(path.read_text(encoding="utf-8"))
    for record in told["records"][::10]:
        record["cost_usd"] = 1.25
    path.write_text(json.dumps(told), encoding="utf-8")
    name_source(path)


def withdraw() -> None:
    """Two records that should not be there."""
    query = "SELECT min(external_id), max(external_id) FROM usage_records"
    with transaction() as connection:
        ids = connection.exec_driver_sql(query).one()
        withdrawal.withdraw(connection, SOURCE, list(ids), "counted by mistake", ACTOR)


def _put(name: str, kind: str, path: Path, **more: str) -> None:
    with transaction() as connection:
        config = {"path": str(path), **more}
        usage_sources.put(connection, name, kind, SourceRole.ALLOCATE, config, ACTOR)


def _deliver(folder: Path, rows: Sequence[Row]) -> None:
    path = folder / "cloud.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    _put(CLOUD, "focus", path)


def read_cloud() -> None:
    """The cloud's newest delivery."""
    sync(CLOUD, READ_AT)


def bill_cloud(folder: Path) -> None:
    """A first delivery, billed, and the next one."""
    _deliver(folder, FIRST)
    read_cloud()
    for step in ("allocate", "draft", "issue"):
        STEPS[step]()
    _deliver(folder, NEXT)


def read_fallen_cloud(folder: Path) -> None:
    """A delivery that lost so much that it waits for a person."""
    _deliver(folder, FALLEN)
    read_cloud()


def accept() -> None:
    """A person accepts what waits."""
    with snapshot() as connection:
        waiting = [one.snapshot_id for one in waiting_snapshots.rows(connection)]
    for number in waiting:
        try:
            waiting_snapshots.accept(number, "the cloud is right", ACTOR)
        except Refused as refused:
            # Or another person was quicker.
            if refused.code != "snapshot_decided":
                raise


def exchange(rate: str) -> None:
    """October's euro at this rate."""
    told = read_exchange_rates(f"month,currency,rate\n2026-10,EUR,{rate}", "rates.csv")
    with transaction() as connection:
        rates.import_exchange_rates(connection, told, ACTOR)


def allocate_euros(folder: Path) -> None:
    """Two days in euros, allocated at one rate; then there is another."""
    exchange("1.10")
    write_export(folder / "euros.json", WEEK[:2])
    name_source(folder / "euros.json", EUROS, currency="EUR")
    sync(EUROS, READ_AT)
    STEPS["allocate"]()
    exchange("1.20")


def import_rates() -> None:
    """Prices of tokens, and a rate of exchange."""
    told = read_rates("model,token_kind,price,per_tokens\nm,prompt,2.5,1000000", "prices.csv")
    with transaction() as connection:
        rates.import_rates(connection, told, ACTOR)
    exchange("1.15")


def mend_broken_rows(folder: Path) -> None:
    """A delivery of which a row has a decimal comma, and what a person says about such rows."""
    path = folder / "broken.csv"
    path.write_text(
        "Call ID,Timestamp,Provider,Model,Agent ID,Prompt Tokens,Completion Tokens,Total Tokens,Cost (USD),"
        "Operation Type\nc-1,2026-10-05T12:00:00Z,p,m,a,1,1,2,0.5,query\n"
        'c-2,2026-10-06T12:00:00Z,p,m,a,1,1,2,"0,25",query\n',
        encoding="utf-8",
    )
    _put(BROKEN, "cost_tracker", path, form="csv")
    sync(BROKEN, READ_AT)
    with transaction() as connection:
        query = "SELECT code FROM usage_quarantine WHERE state = 'open'"
        code = connection.exec_driver_sql(query).scalar_one()
        mended = Fix(code, "cost_usd", FixOperation.REPLACE, ".", ",", None, None)
        source_id = usage_sources.find(connection, BROKEN).source_id
        fixes.make(connection, source_id, BROKEN, mended, "their decimal comma", ACTOR)


def post() -> None:
    """Three posts in one transaction under an idempotency key; then their hour's batch is sealed."""
    facts = [posted_usage.read(body, POSTED_AT) for body in POSTS]
    source = posting.prepared(POSTED_AT, facts)
    with transaction() as connection:
        if idempotency.begin(connection, "crashes", "k-1", bytes(32)) is None:
            booked = posting.post(connection, source, facts, POSTED_AT)
            refused = sum(isinstance(one, Refused) for one in booked)
            answer = idempotency.KeptAnswer(201, f'{{"refused": {refused}}}')
            idempotency.finish(connection, "crashes", "k-1", answer)
    open_batches.seal_all()
