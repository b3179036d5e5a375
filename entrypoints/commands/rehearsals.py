"""What `chargeback bill --dry-run` does: the month in this process, without Prefect, and all of it undone."""

from chargeback.clock import now
from chargeback.ledger import allocation, invoices, quarantine, usage_sources
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.drafting import draft_run
from chargeback.ledger.sync import SyncCounts, sync, window_of
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.views import InvoiceRow
from entrypoints import figures, showing
from entrypoints.commands import asked
from entrypoints.ledger_at_hand import ledger_at_hand


def bill(period: str, on: str | None, as_json: bool) -> int:
    """Show the invoices that billing the period would draft, with usage that was not read yet."""
    wanted, day = Period.parse(period), asked.business_date(on)
    with ledger_at_hand(dry_run=True), showing.progress("Rehearsing the month") as show:
        counts = _synced(wanted, show)
        show("Allocating", 0, None)
        allocation.allocate(wanted.end)
        show("Drafting", 0, None)
        with transaction() as connection:
            drafted = {one.number for one in draft_run(connection, wanted, day, asked.actor())}
        with snapshot() as connection:
            documents = [one for one in invoices.rows(connection, wanted) if one.number in drafted]
            refused = quarantine.open_count(connection, wanted)
    if as_json:
        showing.print_json(
            {"dry_run": True, "syncs": counts, "documents": documents, "open_quarantine": refused}
        )
        return 0
    _show(wanted, counts, documents, refused)
    return 0


def _synced(wanted: Period, show: showing.Show) -> list[SyncCounts]:
    with transaction() as connection:
        names = [source.name for source in usage_sources.sources(connection)]
    counts = []
    for name in names:
        show(f"Reading {name}", 0, None)
        counts.append(sync(name, now(), window_of(wanted)))
    return counts


def _show(
    wanted: Period, counts: list[SyncCounts], documents: list[InvoiceRow], refused: int
) -> None:
    for one in counts:
        showing.say(f"{one.source} has {one.new:,} new rows of {one.received:,}.")
    figures.show_documents(documents, f"Invoices that would be drafted for {wanted.label}")
    if refused:
        showing.say(f"{refused} refused rows would keep them drafts; `chargeback quarantine list` says why "
                    "for those already read.", "yellow")  # fmt: skip
    elif settings().require_approval:
        showing.say("They would wait for approval.")
    showing.say_dry_run()
