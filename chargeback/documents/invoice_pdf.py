"""Invoices and credit notes as PDF: the paper a payer gets.

Owns drawing one document. Identical input gives identical bytes: there is
no clock, name of a user or machine in them.
"""

from chargeback.documents.invoice_blocks import story
from chargeback.documents.invoice_words import title, watermark
from chargeback.documents.letterhead import Letterhead
from chargeback.documents.sheet import Running, bind
from chargeback.views import InvoiceView


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
