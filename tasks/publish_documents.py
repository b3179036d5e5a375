"""Draw invoices and put them into the file store; how they get their places is `publishing`'s."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from chargeback.documents.edition import SYNCS_AT_ONCE
from chargeback.documents.file_store import FileStore
from chargeback.documents.invoice_pdf import draw_many
from chargeback.documents.letterhead import Letterhead
from chargeback.documents.publishing import folder_of, put
from chargeback.ledger import invoices, publications
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.publications import Publication
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.views import InvoiceView
from tasks.progress import progress
from tasks.steps import step

CHUNK = 1000


@step("publish invoices of {period}")
def publish_invoices(
    period: str, number: str | None = None, last: str | None = None
) -> dict[str, Any]:
    """Publish the PDF of every document of the period, of one, or of those from `number` to `last`.

    Rerun: the same files, nothing new.
    """
    asked = Period.parse(period)
    store, letterhead = FileStore(settings().files), Letterhead.from_settings(settings())
    published = new = 0
    with snapshot() as connection:
        ids = invoices.published_ids(connection, asked, number, last or number)
    with progress("documents") as show:
        for chunk in _chunks(ids):
            with snapshot() as connection:
                views = invoices.views(connection, chunk)
            pdfs = draw_many(((view, letterhead) for view in views), _processes())
            files = _put_all(store, zip(views, pdfs, strict=True))
            with transaction() as connection:
                new += publications.keep(connection, files)
            published += len(files)
            show("documents drawn", published, len(ids))
    return {"published": published, "new": new}


@step("cut the documents of {period}")
def cut_documents(period: str) -> dict[str, Any]:
    """The documents of a period in parts that one run draws each: their first and last numbers. Rerun: only reads."""
    asked, size = Period.parse(period), settings().documents_per_run
    with snapshot() as connection:
        numbers = invoices.published_numbers(connection, asked)
    parts = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    return {"documents": len(numbers), "parts": [[part[0], part[-1]] for part in parts]}


def _put_all(store: FileStore, drawn: Iterable[tuple[InvoiceView, bytes]]) -> list[Publication]:
    """Put each PDF on the disk while the next ones are drawn; many at once, which a disk writes in one go."""
    with ThreadPoolExecutor(SYNCS_AT_ONCE, "put") as writers:
        files = [
            writers.submit(put, store, "invoice", view.number, folder_of("invoices", view.period),
                           (view.number, view.bill_to.name), "pdf", pdf)
            for view, pdf in drawn
        ]  # fmt: skip
    return [file.result() for file in files]


def _chunks(ids: list[int]) -> Iterator[list[int]]:
    # Some hundred invoices are drawn by processes in one go; ten thousand need not be in memory at once.
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


def _processes() -> int:
    return settings().document_processes or os.cpu_count() or 1
