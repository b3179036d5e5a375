"""The report site and all documents of a month beside drawing the same pages and PDFs alone, with every core for both.

Publishing runs in a process of its own, whose memory is then all publishing's; so does the floor, whose figures are
read before and held in memory. Both run in turn, and the fastest of each counts: what else the machine does slows them
by half now and then.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path

from chargeback.ledger import payers, usage_sources
from chargeback.ledger.allocation import allocate
from chargeback.ledger.database import engine, ledger_url, transaction, upgrade
from chargeback.ledger.drafting import draft_run
from chargeback.ledger.issuing import issue
from chargeback.ledger.sync import sync
from chargeback.payers_file import read
from chargeback.periods import Period
from chargeback.settings import settings
from models.enums import SourceRole
from tests.benchmarks.company import END, payers_yaml, write_usage
from tests.benchmarks.ledger import Measured, cursor_of
from tests.postgres import Server

RECORDS_PER_TEAM, TURNS = 200, 3
OCTOBER = Period.month("2026-10")
GOAL_MEGABYTES = 700
_PUBLISHED = """
import json, os, re, resource, time
from pathlib import Path
from tasks.publish_documents import publish_invoices
from tasks.publish_reports import publish_reports
began = time.perf_counter()
pdfs, site = publish_invoices.fn("2026-10"), publish_reports.fn("2026-10")
took = time.perf_counter() - began
again = time.perf_counter()
publish_reports.fn("2026-10")
again = time.perf_counter() - again
children = max((os.cpu_count() or 1) - 1, 0)
# What the system says of this process by itself has in it what its starter had.
own = int(re.search(r"VmHWM:\\s*([0-9]+)", Path("/proc/self/status").read_text())[1]) / 1024
largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps({"seconds": took, "again": again, "files": pdfs["published"] + site["published"],
                  "megabytes": own + children * largest}))
"""
_FLOOR = """
import json, os, time
from functools import partial
from pathlib import Path
from chargeback.documents import drawing_process, site_shares
from chargeback.documents.edition import Spool
from chargeback.documents.file_store import FileStore
from chargeback.documents.letterhead import Letterhead
from chargeback.ledger import invoices
from chargeback.ledger.database import snapshot
from chargeback.periods import Period
from chargeback.settings import settings
from tests.benchmarks import drawing_alone
period, cores = Period.month("2026-10"), os.cpu_count() or 1
with snapshot() as connection:
    site, of = site_shares.begun(connection, period, Spool(FileStore(Path("/")), "", Path("/")))
    pages = [page for share in of.shares(1) for page in site.figures(connection, share)]
    views = invoices.views(connection, invoices.published_ids(connection, period))
draw_pdfs = partial(drawing_alone.pdfs, letterhead=Letterhead.from_settings(settings()))
draw_pages = partial(drawing_alone.pages, pdfs=site.pdfs, there=site.there)
def drawn(those, draw):
    together = (those[at : at + 20] for at in range(0, len(those), 20))
    return sum(drawing_process.draw_many(together, cores, draw))
began = time.perf_counter()
files = drawn(views, draw_pdfs) + drawn(pages, draw_pages)
print(json.dumps({"seconds": time.perf_counter() - began, "files": files}))
"""


def measure(server: Server, folder: Path, teams: int) -> Iterator[Measured]:
    """Bill a month of so many teams, then publish it, each time from a copy of that ledger."""
    database = server.create_database()
    upgrade(server.url(database))
    _use(server, database)
    _bill(folder / "site.csv", teams)
    with cursor_of(server, database) as cursor:
        cursor.execute("ANALYZE")
    engine(ledger_url()).dispose()
    published, drawn = [], []
    try:
        for turn in range(TURNS):
            _use(server, server.create_database(database))
            os.environ["CHARGEBACK_FILE_STORE"] = str(folder / f"site-{turn}")
            published.append(_done(_PUBLISHED))
            drawn.append(_done(_FLOOR))
    finally:
        del os.environ["CHARGEBACK_FILE_STORE"]
        settings.cache_clear()
    ours, floor = (min(those, key=itemgetter("seconds")) for those in (published, drawn))
    ratio = ours["seconds"] / floor["seconds"]
    what = f"site and documents of {teams:,} teams, {ours['files']:,.0f} files"
    yield Measured(what, ours["seconds"], floor["seconds"],
                   f"{ratio:.2f} of drawing them alone, {ours['files'] / ours['seconds']:,.0f} files/s", "<= 2",
                   ratio <= 2)  # fmt: skip
    yield Measured("memory of publishing, all processes", ours["seconds"], None, f"{ours['megabytes']:.0f} MB",
                   f"<= {GOAL_MEGABYTES} MB", ours["megabytes"] <= GOAL_MEGABYTES)  # fmt: skip
    yield Measured(
        "the site again, nothing new", ours["again"], floor["seconds"], "the same folder", "-", True
    )


def _use(server: Server, database: str) -> None:
    os.environ["CHARGEBACK_DATABASE_URL"] = server.url(database, user="chargeback_app")
    settings.cache_clear()


def _bill(export: Path, teams: int) -> None:
    write_usage(export, teams * RECORDS_PER_TEAM, teams)
    with transaction() as connection:
        payers.import_file(connection, read(payers_yaml(teams), "company"), "bench")
        config = {"path": str(export), "form": "csv"}
        usage_sources.put(
            connection, "tracker", "cost_tracker", SourceRole.ALLOCATE, config, "bench"
        )
    sync("tracker", datetime(2026, 11, 1, 4, tzinfo=UTC))
    allocate(END)
    with transaction() as connection:
        drafted = draft_run(connection, OCTOBER, END, "bench")
        issue(connection, [one.invoice_id for one in drafted], END, "bench")


def _done(program: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))
