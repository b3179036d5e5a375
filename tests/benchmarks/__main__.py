"""`make bench`: every figure of the README, beside a floor measured in the same run.

Options: `--records N` (default 1,000,000; 10000000 is the size that the API's questions are promised for),
`--teams N` (1,000), `--documents N` (1,000), `--posts N` (16,000), `--rows N` (200,000) of a posted batch,
`--source-rows N` (200,000 for each kind of source, at most 20,000 of those over HTTP).
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url

from chargeback.settings import settings
from entrypoints.postgres import owner_url, start_postgres, stop_postgres
from tests.benchmarks import (
    api,
    documents,
    explain,
    ledger,
    overhead,
    report_site,
    snapshots,
    sources,
    web_sources,
)
from tests.benchmarks.ledger import Measured
from tests.postgres import Server

WEB_ROWS = 20_000


def _told(*measured: Iterable[Measured]) -> list[Measured]:
    """All of them, each told as soon as it is known: a quarter of an hour lies between the first and the last."""
    found = []
    for one in chain.from_iterable(measured):
        print(f"{one.name}: {one.seconds:.2f} s, {one.figure}", file=sys.stderr, flush=True)
        found.append(one)
    return found


def main() -> int:
    """Measure, print, and say by the exit status whether every goal was met."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--teams", type=int, default=1_000)
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--posts", type=int, default=16_000)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--source-rows", type=int, default=200_000)
    asked = parser.parse_args()
    table = Table("what", "seconds", "floor", "result", "goal", "", title=f"{os.cpu_count()} cores")
    are_met = True
    with tempfile.TemporaryDirectory(prefix="cb-bench-") as folder:
        Path(folder).chmod(0o755)
        os.environ["CHARGEBACK_HOME"] = folder
        settings.cache_clear()
        start_postgres(Path(folder))
        try:
            server = Server(Path(str(make_url(owner_url(Path(folder))).query["host"])))
            figures = _told(
                ledger.measure(server, Path(folder), asked.records, asked.teams),
                # It asks the ledger that the line before made.
                api.measure(server, asked.posts, asked.rows),
                snapshots.measure(server, Path(folder), asked.records),
                explain.measure(server, Path(folder), min(asked.records, 1_000_000)),
                sources.measure(server, Path(folder), asked.source_rows),
                web_sources.measure(server, Path(folder), min(asked.source_rows, WEB_ROWS)),
                documents.measure(asked.documents, os.cpu_count() or 1),
                report_site.measure(server, Path(folder), asked.teams),
            )
        finally:
            stop_postgres(Path(folder))
        figures += _told(overhead.measure(Path(folder), asked.teams))
    for one in figures:
        floor = "" if one.floor_seconds is None else f"{one.floor_seconds:.2f}"
        table.add_row(
            one.name,
            f"{one.seconds:.2f}",
            floor,
            one.figure,
            one.goal,
            "met" if one.is_met else "MISSED",
        )
        are_met = are_met and one.is_met
    Console(width=150).print(table)
    return 0 if are_met else 1


if __name__ == "__main__":
    sys.exit(main())
