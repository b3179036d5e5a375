"""What the commands that share out cost and bill it do.

Drawing and publishing is the tasks', which are imported where they are needed: they bring Prefect along.
"""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from chargeback import invoice_status
from chargeback.documents.file_store import FileStore
from chargeback.documents.finance_files import FILES
from chargeback.errors import Invalid
from chargeback.journal import without_cost_center
from chargeback.ledger import allocation, invoices, issuing, publications
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.previews import allocation_preview
from chargeback.payer import billed
from chargeback.periods import Period, parse_day
from chargeback.settings import settings
from chargeback.views import InvoiceView
from entrypoints import moves, paper, showing
from entrypoints.commands import asked
from entrypoints.ledger_at_hand import ledger_at_hand
from models.enums import InvoiceStatus


def allocate(period: str | None, as_json: bool, dry_run: bool = False) -> int:
    """Bring every day of the period, or every day, up to date."""
    wanted = asked.period(period)
    start, end = (wanted.start, wanted.end) if wanted else (date.min, date.max)
    if dry_run:
        return _allocation_preview(start, end, as_json)
    with ledger_at_hand(), showing.progress("Allocating") as show:
        counts = allocation.allocate(
            end, start, lambda month, done, of: show(f"Allocated {month:%Y-%m}", done, of)
        )
    if as_json:
        showing.print_json(asdict(counts))
    elif not counts.days:
        showing.say("Nothing had changed: every day was up to date already.")
    else:
        showing.say(
            f"{counts.days} days are up to date now: {counts.pools} new cost pools, {counts.allocations} allocations, "
            f"{counts.replaced_pools} pools replaced."
        )
    if counts.stale_drafts and not as_json:
        showing.say(
            f"{counts.stale_drafts} drafts are stale now; generate them again to refresh them.",
            "yellow",
        )
    return 0


def _allocation_preview(start: date, end: date, as_json: bool) -> int:
    """Show what allocating these days would move."""
    with ledger_at_hand(), showing.progress("Allocating, to be undone"):
        preview = allocation_preview(start, end)
    if as_json:
        showing.print_json({"preview": moves.as_json(preview), "dry_run": True})
        return 0
    moves.show(preview, is_done=False)
    showing.say_dry_run()
    return 0


def invoice(
    period: str,
    team: str | None,
    user: str | None,
    everybody: bool,
    number: str | None,
    on: str | None,
    as_json: bool,
    dry_run: bool = False,
) -> int:
    """Draft or refresh one payer's invoice, publish its PDF, and show it whole."""
    payer, wanted, day = (
        billed(team, user, everybody=everybody),
        Period.parse(period),
        asked.business_date(on),
    )
    with ledger_at_hand(dry_run):
        from tasks.bill_payers import draft_invoice

        with showing.progress(f"Drafting the invoice of {payer}"):
            made = draft_invoice.fn(payer, wanted.label, day, asked.actor(), number)
        view, pdf = (_viewed(made["number"]), None) if dry_run else _published(made["number"])
    if as_json:
        said = {"dry_run": True} if dry_run else {}
        showing.print_json({"outcome": made["outcome"], **showing.plain(view), "pdf": pdf, **said})
        return 0
    showing.say(
        _OUTCOMES[made["outcome"]].format(number=view.number, payer=payer, period=wanted.label),
        "bold",
    )
    paper.show(view)
    if pdf is None:
        showing.say_dry_run()
    else:
        showing.say(f"PDF  {pdf}")
    return 0


_OUTCOMES = {
    "made": "Invoice {number} of {payer} for {period} is drafted.",
    "refreshed": "The draft {number} of {payer} for {period} is refreshed.",
    "unchanged": "The draft {number} of {payer} for {period} is as it was; nothing changed.",
    "issued": "{period} of {payer} was billed with {number} and nothing is left; nothing changed.",
}


def _published(number: str) -> tuple[InvoiceView, str]:
    """A document with its PDF, published as it stands now."""
    from tasks.publish_documents import publish_invoices

    view = _viewed(number)
    publish_invoices.fn(view.period.label, number)
    with snapshot() as connection:
        pdf = publications.newest(connection, "invoice")[number]
    return view, str(settings().files / pdf.uri)


def _viewed(number: str) -> InvoiceView:
    """A document whole."""
    with snapshot() as connection:
        return invoices.views(connection, [issuing.find(connection, number)])[0]


def move(
    given: str,
    status: str,
    on: str | None,
    reason: str | None,
    *,
    is_rebillable: bool = True,
    as_json: bool,
    dry_run: bool = False,
) -> int:
    """Move a document to a status, and publish its PDF as it stands then, with a credit note's if one came of it."""
    wanted, day = invoice_status.parse(status), asked.business_date(on)
    with ledger_at_hand(dry_run):
        with transaction() as connection:
            invoice_id = issuing.find(connection, given)
            moved = issuing.move(
                connection, invoice_id, wanted, day, asked.actor(), reason, is_rebillable
            )
        pdfs = {} if dry_run else _published_after(moved)
    if as_json:
        showing.print_json({"number": moved.number, "status": moved.status, "changed": moved.has_changed,
                            "credit_note": moved.credit_note, "pdfs": pdfs,
                            **({"dry_run": True} if dry_run else {})})  # fmt: skip
        return 0
    if not moved.has_changed:
        showing.say(f"{moved.number} is {moved.status} already; nothing changed.")
        return 0
    showing.say(
        f"{moved.number} would be {moved.status}."
        if dry_run
        else f"{moved.number} is {moved.status} now."
    )
    if moved.credit_note:
        showing.say(f"Credit note {moved.credit_note} takes it back; " + (
            "its cost can be billed again." if is_rebillable else "its cost is written off."))  # fmt: skip
    if dry_run:
        showing.say_dry_run()
    for number, pdf in pdfs.items():
        showing.say(f"PDF of {number}  {pdf}")
    return 0


def _published_after(moved: issuing.Moved) -> dict[str, str]:
    """The PDFs that a move changed, by number; a draft that is cancelled has none to change."""
    if not moved.has_changed:
        return {}
    numbers = [number for number in (moved.number, moved.credit_note) if number]
    if moved.status is InvoiceStatus.CANCELLED and not moved.credit_note:
        return {}
    return {number: _published(number)[1] for number in numbers}


def sweep(as_of: str, as_json: bool, dry_run: bool = False) -> int:
    """Mark sent invoices past their due date overdue."""
    day = parse_day(as_of)
    with ledger_at_hand(dry_run):
        with transaction() as connection:
            numbers = issuing.sweep(connection, day, asked.actor())
        if not dry_run:
            _republish(numbers)
    if as_json:
        said = {"dry_run": True} if dry_run else {}
        showing.print_json({"as_of": day, "overdue": numbers, **said})
        return 0
    if numbers:
        become = "would become" if dry_run else "became"
        showing.say(f"As of {day}, {len(numbers)} invoices {become} overdue: {', '.join(numbers)}.")
    else:
        showing.say(f"As of {day}, no invoice became overdue; nothing changed.")
    if dry_run:
        showing.say_dry_run()
    return 0


def _republish(numbers: list[str]) -> None:
    for number in numbers:
        _published(number)


def publish(period: str, as_json: bool) -> int:
    """Publish PDFs and reports of a period, with its days allocated first so that the reports are whole."""
    wanted = Period.parse(period)
    with ledger_at_hand():
        from tasks.publish_documents import publish_invoices
        from tasks.publish_reports import publish_reports

        with showing.progress("Publishing") as show:
            show("Allocating what is left", 0, 3)
            allocation.allocate(wanted.end)
            show("Drawing the invoices", 1, 3)
            drawn: dict[str, Any] = publish_invoices.fn(wanted.label)
            show("Writing the reports", 2, 3)
            reports: dict[str, Any] = publish_reports.fn(wanted.label)
    overview = str(settings().files / reports["overview"])
    if as_json:
        showing.print_json({"invoices": drawn, "reports": {**reports, "overview": overview}})
        return 0
    new = drawn["new"] + reports["new"]
    published = f"{drawn['published']} documents and {reports['published']} report files"
    showing.say(f"{published} are published, {new} of them new.")
    showing.say(f"Begin at {overview}")
    return 0


def export(what: str, period: str, to: Path, profile: str | None, as_json: bool) -> int:
    """Write one of the files for finance, whole or not at all."""
    wanted = Period.parse(period)
    if what not in FILES:
        raise Invalid(
            "export_unknown", f"there is no export {what!r}; the exports are {', '.join(FILES)}"
        )
    chosen = settings().model_copy(update={"journal_profile": profile} if profile else {})
    with ledger_at_hand():
        from tasks.publish_finance import finance_of

        figures = finance_of(wanted)
    data = FILES[what][1](figures, chosen)
    FileStore(to.absolute().parent).publish(to.name, data)
    lacking = without_cost_center(figures.postings) if what == "journal" else []
    if as_json:
        showing.print_json({"file": str(to), "bytes": len(data), "without_cost_center": lacking})
        return 0
    showing.say(f"{to} holds the {what} of {wanted.label}, {len(data):,} bytes.")
    if lacking:
        showing.say(f"Without a cost centre: {', '.join(lacking)}.", "yellow")
    return 0
