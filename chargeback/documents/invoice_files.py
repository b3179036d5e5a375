"""PDFs of documents in the file store: read, drawn and put some at a time, by any process."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chargeback.documents.edition import SYNCS_AT_ONCE
from chargeback.documents.file_store import FileStore
from chargeback.documents.invoice_pdf import draw
from chargeback.documents.letterhead import Letterhead
from chargeback.documents.publishing import folder_of, put
from chargeback.ledger import invoices
from chargeback.ledger.database import snapshot
from chargeback.ledger.publications import Publication
from chargeback.views import InvoiceView


@dataclass(frozen=True)
class InvoiceFiles:
    """Where PDFs are put, and whose name is at their head. It may be sent to other processes."""

    store: FileStore
    letterhead: Letterhead

    def __call__(self, ids: Sequence[int]) -> list[Publication]:
        """Have the PDFs of these documents in the store: what the ledger is to know of them, by id."""
        with snapshot() as connection:
            views = invoices.views(connection, ids)
        # Each is put on the disk while the next ones are drawn; many at once, which a disk writes in one go.
        with ThreadPoolExecutor(SYNCS_AT_ONCE, "put") as writers:
            files = [writers.submit(self._put, view, draw(view, self.letterhead)) for view in views]
        return [file.result() for file in files]

    def _put(self, view: InvoiceView, pdf: bytes) -> Publication:
        folder, name = folder_of("invoices", view.period), (view.number, view.bill_to.name)
        return put(self.store, "invoice", view.number, folder, name, "pdf", pdf)
