"""Draw invoices and put them into the file store; how they get their places is `publishing`'s."""

from contextlib import closing
from typing import Any

from chargeback.documents import drawing_process
from chargeback.documents.file_store import FileStore
from chargeback.documents.invoice_files import InvoiceFiles
from chargeback.documents.letterhead import Letterhead
from chargeback.ledger import invoices, publications
from chargeback.ledger.database import snapshot, transaction
from chargeback.periods import Period
from chargeback.settings import settings
from tasks.progress import progress
from tasks.steps import step

# So many are read, drawn and put by one process at once: a few statements for them all, and bounded memory.
TOGETHER = 250


@step("publish invoices of {period}")
def publish_invoices(
    period: str, number: str | None = None, last: str | None = None
) -> dict[str, Any]:
    """Publish the PDF of every document of the period, of one, or of those from `number` to `last`.

    Rerun: the same files, nothing new.
    """
    asked = Period.parse(period)
    files = InvoiceFiles(FileStore(settings().files), Letterhead.from_settings(settings()))
    published = new = 0
    with snapshot() as connection:
        ids = invoices.published_ids(connection, asked, number, last or number)
    processes = drawing_process.worth(len(ids), settings().document_processes)
    shares = drawing_process.cut(ids, TOGETHER, processes)
    with (
        progress("documents") as show,
        closing(drawing_process.draw_many(shares, processes, files)) as parts,
    ):
        for part in parts:
            with transaction() as connection:
                new += publications.keep(connection, part)
            published += len(part)
            show("documents drawn", published, len(ids))
    return {"published": published, "new": new}


@step("cut the documents of {period}")
def cut_documents(period: str) -> dict[str, Any]:
    """The documents of a period in parts that one run draws each: their first and last numbers. Rerun: only reads."""
    asked, size = Period.parse(period), settings().documents_per_run
    with snapshot() as connection:
        numbers = invoices.published_numbers(connection, asked)
    parts = drawing_process.cut(numbers, size)
    return {"documents": len(numbers), "parts": [[part[0], part[-1]] for part in parts]}
