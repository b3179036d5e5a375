"""How the synthetic company was billed: three months, late usage, one wrong invoice, some who pay late.

Owns the order of events; every step is the one that users and flows take. Told again, nothing changes.
"""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from chargeback.ledger import invoices, issuing, payers, usage_sources
from chargeback.ledger.allocation import allocate
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.drafting import draft_one, draft_run
from chargeback.ledger.sync import sync
from chargeback.payer import Payer
from chargeback.payers_file import read
from chargeback.periods import Period
from chargeback.views import InvoiceRow
from examples.synthetic_company.generator import MONTHS, write
from models.enums import DocumentKind, InvoiceStatus, SourceRole
from tasks.publish_documents import publish_invoices
from tasks.publish_reports import publish_reports

ACTOR = "example"
SOURCE = "cost-tracker"
HERE = Path(__file__).resolve().parent
# Marketing's September went to the wrong cost centre: cancelled with a credit note, and billed again.
BILLED_WRONG = "team-marketing"
CORRECTED_ON = date(2026, 10, 6)
PAYS_LATE = frozenset({"team-sales", "team-support"})
LOOKED_AT_ON = date(2026, 11, 20)


def tell(folder: Path) -> None:
    """Bill the company's three months into the ledger at hand; its exports are kept in `folder`.

    Rerun: the same usage, the same invoices, nothing new.
    """
    folder.mkdir(parents=True, exist_ok=True)
    export = folder / "usage.json"
    exports = write(folder)
    _open_books(export)
    for month, delivered in zip(MONTHS, exports, strict=True):
        shutil.copyfile(delivered, export)
        _bill(Period.month(f"{month:%Y-%m}"))
    with transaction() as connection:
        issuing.sweep(connection, LOOKED_AT_ON, ACTOR)
    for month in MONTHS:
        publish_invoices.fn(f"{month:%Y-%m}")
        publish_reports.fn(f"{month:%Y-%m}")


def _open_books(export: Path) -> None:
    company = HERE / "company.yaml"
    with transaction() as connection:
        file = read(company.read_text(encoding="utf-8"), company.name)
        payers.import_file(connection, file, ACTOR)
        config = {"path": str(export), "form": "json"}
        usage_sources.put(connection, SOURCE, "cost_tracker", SourceRole.ALLOCATE, config, ACTOR)


def _bill(period: Period) -> None:
    """Read, allocate, draft and issue on the first of the next month; who pays in time has paid by the 20th."""
    sync(SOURCE, datetime.combine(period.end, datetime.min.time(), UTC))
    allocate(period.end)
    with transaction() as connection:
        drafted = draft_run(connection, period, period.end, ACTOR)
        sent = [draft.invoice_id for draft in drafted if draft.outcome != "issued"]
        issuing.issue(connection, sent, period.end, ACTOR)
    if period.end == CORRECTED_ON.replace(day=1):
        _correct(period)
    paid_on = period.end + timedelta(days=19)
    for row in _issued(period):
        if row.status is InvoiceStatus.SENT and row.team_id not in PAYS_LATE:
            _move(row, InvoiceStatus.PAID, paid_on, "bank transfer")


def _correct(period: Period) -> None:
    """Cancel the invoice that was wrong and bill the same payer again; done once."""
    wrong = [row for row in _issued(period) if row.team_id == BILLED_WRONG]
    if any(row.status is InvoiceStatus.CANCELLED for row in wrong):
        return
    _move(wrong[0], InvoiceStatus.CANCELLED, CORRECTED_ON, "sent to the wrong cost centre")
    allocate(period.end)
    with transaction() as connection:
        again = draft_one(connection, Payer(BILLED_WRONG, None), period, CORRECTED_ON, ACTOR)
        issuing.issue(connection, [again.invoice_id], CORRECTED_ON, ACTOR)


def _issued(period: Period) -> list[InvoiceRow]:
    with snapshot() as connection:
        return [
            row for row in invoices.rows(connection, period) if row.kind is DocumentKind.INVOICE
        ]


def _move(row: InvoiceRow, wanted: InvoiceStatus, on: date, reason: str) -> None:
    with transaction() as connection:
        found = issuing.find(connection, row.number)
        issuing.move(connection, found, wanted, on, ACTOR, reason)
