"""Invoices and credit notes as PDF: the paper a payer gets.

Owns drawing one document and drawing many at once. Identical input gives identical bytes: there is
no clock, name of a user or machine in them.
"""

from collections.abc import Iterable, Iterator

from chargeback.documents import drawing_process
from chargeback.documents.invoice_blocks import story
from chargeback.documents.invoice_words import title, watermark
from chargeback.documents.letterhead import Letterhead
from chargeback.documents.sheet import Running, bind
from chargeback.views import InvoiceView

Order = tuple[InvoiceView, Letterhead]


def draw(invoice: InvoiceView, letterhead: Letterhead) -> bytes:
    """The document as a PDF; the same view gives the same bytes, in every process.

    Names are printed as they are, whatever their script; what has no shape is printed by its code.
    """
    running = Running(
        title=f"{title(invoice, letterhead.is_statement)} {invoice.number}",
        author=letterhead.name,
        subject=invoice.bill_to.name,
        watermark=watermark(invoice),
    )
    return bind(story(invoice, letterhead), running)


def draw_all(orders: Iterable[Order]) -> list[bytes]:
    """The documents of `orders`, drawn by this process."""
    return [draw(*order) for order in orders]


def draw_many(items: Iterable[Order], processes: int) -> Iterator[bytes]:
    """The documents of `items`, in their order; a large number is drawn by `processes` at once."""
    return drawing_process.draw_many(items, processes, "chargeback.documents.invoice_pdf", draw_all)


if __name__ == "__main__":
    drawing_process.serve(draw_all)
