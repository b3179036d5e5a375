"""FOCUS exports into the ledger, and delivered again, each beside its floors on the same server.

The floors are reading the same file and doing nothing with it, and a bare COPY of the records we made into the
very same table of a second ledger.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet

from chargeback.ledger import usage_sources
from chargeback.ledger.database import transaction, upgrade
from chargeback.settings import settings
from models.enums import SourceRole
from tests.benchmarks.focus_export import COLUMNS, write_export
from tests.benchmarks.ledger import Measured, copied, seconds_of
from tests.postgres import Server

ACCOUNTS, CHANGES = 100, 1_000
# Each in a process of its own, whose memory and whose readers' are then all the work's. Of several children the
# system keeps the largest only, so each is asked while it runs what it has had at most.
_WORK = """
import json, re, sys, threading, time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from chargeback.ledger.sync import sync
from chargeback.sources import open_source
from chargeback.sources.contract import Window
most = {}
def had(process):
    found = re.search(r"VmHWM:\\s*([0-9]+)", Path("/proc", process, "status").read_text())
    return int(found[1]) if found else most.get(process, 0)
def watch():
    while not time.sleep(0.05):
        with suppress(OSError):
            for child in " ".join(one.read_text() for one in Path("/proc/self/task").glob("*/children")).split():
                most[child] = had(child)
threading.Thread(target=watch, daemon=True).start()
began, counts = time.perf_counter(), None
if sys.argv[1] == "read":
    for _ in open_source("focus", json.loads(sys.argv[2])).read_scopes(Window(None, None)): pass
else:
    counts = sync(sys.argv[2], datetime(2026, 11, 1, 4, tzinfo=UTC))
print(json.dumps({"seconds": time.perf_counter() - began, "new": counts and counts.new,
    "reversed": counts and counts.reversed,
    "megabytes": (had("self") + sum(most.values())) / 1024}))
"""


def measure(server: Server, folder: Path, records: int) -> Iterator[Measured]:
    """A month of rows as CSV, the same again with 1,000 changes, and as Parquet."""
    ledger, floors = server.create_database(), server.create_database()
    for database in (ledger, floors):
        upgrade(server.url(database))
    os.environ["CHARGEBACK_DATABASE_URL"] = server.url(ledger, user="chargeback_app")
    settings.cache_clear()
    export, parquet = folder / "focus.csv", folder / "focus.parquet"
    write_export(export, records, ACCOUNTS)
    _write_parquet(export, parquet)
    reading = _work("read", json.dumps(_config(export)))["seconds"]
    first = _sync("focus-csv", export)
    with copied(server, ledger, floors, folder, ["usage_records"]) as copy:
        copying = seconds_of(copy)
    yield _beside_floors("CSV", records, first, reading, copying)
    yield Measured("memory of that", first["seconds"], None, f"{first['megabytes']:.0f} MB", "<= 500 MB",
                   first["megabytes"] <= 500)  # fmt: skip
    write_export(export, records, ACCOUNTS, CHANGES)
    again = _sync("focus-csv", export)
    ratio = again["seconds"] / first["seconds"]
    is_right = again["new"] == again["reversed"] == CHANGES
    yield Measured(f"delivered again with {CHANGES:,} changes", again["seconds"], first["seconds"],
                   f"{ratio:.2f} of the first load, {again['reversed']:.0f} taken back", "<= 0.5",
                   ratio <= 0.5 and is_right)  # fmt: skip
    reading = _work("read", json.dumps(_config(parquet)))["seconds"]
    yield _beside_floors("Parquet", records, _sync("focus-parquet", parquet), reading, copying)


def _beside_floors(
    form: str, records: int, done: dict[str, float], reading: float, copying: float
) -> Measured:
    floor, slower = max((reading, "reading"), (copying, "COPY"))
    ratio = floor / done["seconds"]
    return Measured(
        f"FOCUS {form} of {records:,} rows", done["seconds"], floor,
        f"{records / done['seconds']:,.0f} rows/s, {ratio:.2f} of {slower} alone ({copying:.1f} s is a bare COPY)",
        ">= 0.9", ratio >= 0.9,
    )  # fmt: skip


def _config(file: Path) -> dict[str, str]:
    return {"path": str(file), "team_tag": "team"}


def _sync(name: str, file: Path) -> dict[str, float]:
    with transaction() as connection:
        role = SourceRole.ALLOCATE
        usage_sources.put(connection, name, "focus", role, _config(file), "bench")
    return _work("sync", name)


def _work(*words: str) -> dict[str, float]:
    command = [sys.executable, "-c", _WORK, *words]
    return dict(
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    )


def _write_parquet(export: Path, parquet: Path) -> None:
    """The same rows with the types that providers give them: text, decimals and instants."""
    decimals = {
        "BilledCost",
        "EffectiveCost",
        "ContractedCost",
        "ListCost",
        "ConsumedQuantity",
        "PricingQuantity",
    }
    types = {
        name: pyarrow.decimal128(30, 15) if name in decimals else pyarrow.string()
        for name in COLUMNS
    }
    options = pyarrow.csv.ConvertOptions(column_types=types)
    with (
        pyarrow.csv.open_csv(export, convert_options=options) as rows,
        pyarrow.parquet.ParquetWriter(parquet, rows.schema) as writer,
    ):
        for batch in rows:
            writer.write_batch(batch)
