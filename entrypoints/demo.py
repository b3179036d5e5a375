"""The demo: a month of a real cost tracker's export, billed from nothing to a paid invoice.

Owns the story. Every step is the one that users take: the import, the deployed flow, the moves. Done
again, nothing changes, and the digest proves it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path

from rich.text import Text

from chargeback.documents.file_store import FileStore
from chargeback.errors import Refused
from chargeback.ledger import digest, invoices, issuing, payers, publications, usage_sources
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.reconcile import reconcile
from chargeback.ledger.verify import INVARIANTS, reach, verify
from chargeback.payers_file import read
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.views import InvoiceRow
from entrypoints import demo_cloud, demo_litellm, figures, showing
from entrypoints.commands.asked import actor
from entrypoints.commands.runs import MONTHLY_BILLING
from entrypoints.flow_runs import Ended, run_deployment
from entrypoints.ledger_at_hand import using_environment
from entrypoints.run_display import busy, tell, watching
from entrypoints.stack import Stack, running
from models.enums import DocumentKind, InvoiceStatus, SourceRole
from tasks.publish_documents import publish_invoices
from tasks.publish_finance import publish_finance
from tasks.publish_reports import publish_reports

PERIOD = Period.month("2026-10")
SOURCE = "cost-tracker"
CONFIG = {"path": "examples/cost_tracker_export.json", "form": "json"}
COMPANY = Path("examples/company.yaml")
ISSUED_ON = date(2026, 11, 1)
# Nineteen days after issue: past the 14 days of one team, within the 30 of the others.
LOOKED_AT_ON = date(2026, 11, 20)
PAYABLE = (InvoiceStatus.SENT, InvoiceStatus.OVERDUE, InvoiceStatus.PAID)


def run() -> int:
    """Run the demo; 0 only if the books tie out."""
    begun = time.monotonic()
    showing.say("A month of AI cost, from a cost tracker's export to a paid invoice", "bold")
    with _starting() as stack, using_environment(stack.environment):
        before = _digest()
        _load_company()
        litellm = _make_litellm(stack)
        ended = _bill(stack, PERIOD, ISSUED_ON)
        clouds = _bill(stack, demo_cloud.PERIOD, demo_cloud.ISSUED_ON)
        _collect()
        after = _digest()
        _show_result(litellm)
        is_whole = _prove()
        _say_what_changed(before, after)
    for sentence in dict.fromkeys(one.sentence for one in (ended, clouds) if one.needs_a_person):
        showing.say(f"A person has to look: {sentence}", "bold yellow")
    showing.say(f"Took {time.monotonic() - begun:.0f} seconds.", "dim")
    return 0 if is_whole else 1


@contextmanager
def _starting() -> Iterator[Stack]:
    """The stack, with what it does while it starts; stopped at the end if it was started here."""
    showing.heading("Starting Postgres, Prefect and a worker")
    begun = time.monotonic()
    with busy("Starting") as now, running(settings().home, say=now.update) as stack:
        now.stop()
        ours, theirs = f"Running under {stack.home}", f"The stack of {stack.home} is up already"
        tell(ours if stack.is_ours else theirs, time.monotonic() - begun)
        yield stack
        if stack.is_ours:
            now.update("Stopping what was started")
            now.start()


@contextmanager
def _timed() -> Iterator[Callable[[str], None]]:
    """Times a part of the demo: call what it gives with the words for it, once it is done."""
    begun = time.monotonic()
    yield lambda words: tell(words, time.monotonic() - begun)


def _digest() -> str:
    with snapshot() as connection:
        return digest.digest(connection)


def _load_company() -> None:
    """Teams, owners and rules, and where usage comes from. Raises Refused in a ledger used for something else."""
    showing.heading(f"Loading {COMPANY} and {CONFIG['path']}")
    file = settings().root / COMPANY
    with _timed() as done, transaction() as connection:
        others = [
            source.name
            for source in usage_sources.sources(connection)
            if source.name not in (SOURCE, demo_litellm.SOURCE, demo_cloud.SOURCE)
        ]
        if others:
            raise Refused(
                "demo_not_alone",
                f"this ledger reads usage from {', '.join(others)}, and the demo would mix its own into it; "
                "set CHARGEBACK_HOME to an empty folder for the demo",
            )
        counts = payers.import_file(
            connection, read(file.read_text(encoding="utf-8"), str(COMPANY)), actor()
        )
        is_new = usage_sources.put(
            connection, SOURCE, "cost_tracker", SourceRole.ALLOCATE, CONFIG, actor()
        )
        demo_cloud.add(connection)
        if is_new or any(asdict(counts).values()):
            changed = ", ".join(f"{number} {what}" for what, number in asdict(counts).items())
            done(f"{changed}, a cost tracker, the bills of three clouds")
        else:
            done("All of it was there already")


def _make_litellm(stack: Stack) -> demo_litellm.Own | None:
    """A LiteLLM with a thousand calls, and the source that reads it; what it adds up to, if there is room for one."""
    owner = demo_litellm.owner_of(stack)
    showing.heading("Making a LiteLLM database next to the ledger")
    with _timed() as done:
        if not demo_litellm.make(owner):
            done("This Postgres lets the ledger's owner make no database, so LiteLLM is left out")
            return None
        with transaction() as connection:
            usage_sources.put(
                connection,
                demo_litellm.SOURCE,
                "litellm_db",
                SourceRole.ALLOCATE,
                demo_litellm.CONFIG,
                actor(),
            )
        own = demo_litellm.own(owner)
        done(f"{own.rows:,} calls; its address is in the Prefect Secret block {demo_litellm.BLOCK}")
    return own


def _bill(stack: Stack, period: Period, on: date) -> Ended:
    """The month, billed by the deployed flow."""
    showing.heading(f"Billing {period.label} with the flow monthly-billing, dated {on}")
    parameters = {"period": period.label, "business_date": on.isoformat()}
    with _timed() as done:
        with watching() as watch:
            ended = run_deployment(stack, MONTHLY_BILLING, parameters, watch)
        done("The run is over")
    return ended


def _collect() -> None:
    """The first invoice is paid, and what is overdue by then becomes so; their PDFs say it."""
    showing.heading(f"Collecting, as of {LOOKED_AT_ON}")
    with _timed() as done:
        done(_pay_first())
    with _timed() as done, transaction() as connection:
        overdue = issuing.sweep(connection, LOOKED_AT_ON, actor())
        done(f"Overdue now: {', '.join(overdue)}" if overdue else "Nothing became overdue")
    with _timed() as done:
        new = sum(
            publish.fn(period.label)["new"]
            for period in (PERIOD, demo_cloud.PERIOD)
            for publish in (publish_invoices, publish_reports, publish_finance)
        )
        done(f"Published the files that say so: {new} new ones")


def _pay_first() -> str:
    """Pay the first invoice that was issued, and say so."""
    for row in _documents():
        if row.kind is DocumentKind.INVOICE and row.status in PAYABLE:
            with transaction() as connection:
                found = issuing.find(connection, row.number)
                moved = issuing.move(
                    connection,
                    found,
                    InvoiceStatus.PAID,
                    LOOKED_AT_ON,
                    actor(),
                    "the demo's payment",
                )
            has_paid = "is paid" if moved.has_changed else "was paid already"
            return f"{row.number} of {row.team_id or row.user_id} {has_paid}"
    return "No invoice was issued, so none is paid"


def _documents() -> list[InvoiceRow]:
    with snapshot() as connection:
        return sorted(invoices.rows(connection, PERIOD), key=lambda row: row.number)


def _show_result(litellm: demo_litellm.Own | None) -> None:
    showing.say("")
    figures.show_documents(_documents(), f"Documents of {PERIOD.label}")
    with snapshot() as connection:
        figures.show_reconciliation(reconciled := reconcile(connection, PERIOD))
        pdfs = publications.newest(connection, "invoice")
        overview = publications.newest(connection, "overview").get(PERIOD.label)
    if litellm:
        demo_litellm.show_comparison(litellm, reconciled)
    demo_cloud.show_totals()
    showing.heading("Files")
    for _, pdf in sorted(pdfs.items()):
        showing.say(f"  {settings().files / pdf.uri}")
    if overview:
        showing.say(f"  {settings().files / overview.uri}")
        showing.say("  The last one is the page that all reports are linked from.", "dim")


def _prove() -> bool:
    """Whether every invariant holds, of everything."""
    showing.heading("Verifying")
    with _timed() as done, snapshot() as connection:
        looked_at = reach(connection, None)
        broken = verify(connection, None, FileStore(settings().files))
        for one in broken:
            showing.say(f"  {one.sentence}", "bold red")
        if broken:
            done(f"The books do not tie out: {len(broken)} findings")
        else:
            seen = f"{looked_at.days} days and {looked_at.documents_count} documents"
            done(f"The books tie out: all {len(INVARIANTS)} invariants hold for {seen}")
    return not broken


def _say_what_changed(before: str, after: str) -> None:
    showing.say("")
    if before == after:
        showing.say(
            Text(
                "Nothing changed: the books are the same as before, to the last digit.",
                "bold green",
            )
        )
        showing.say(f"Their digest is {after}.", "dim")
    else:
        showing.say("Run it again and nothing will change. To look closer:")
        showing.say("  chargeback status")
        showing.say("  chargeback show INV-20261101-0001")
        showing.say("  chargeback reconcile 2026-10 --json")
