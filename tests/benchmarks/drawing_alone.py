"""Drawing, and nothing else: what was drawn is counted and goes nowhere."""

from collections.abc import Mapping, Sequence

from chargeback.documents import site_drawing
from chargeback.documents.invoice_pdf import draw
from chargeback.documents.letterhead import Letterhead
from chargeback.documents.site_drawing import Figures
from chargeback.views import InvoiceView


def pdfs(views: Sequence[InvoiceView], letterhead: Letterhead) -> int:
    """How many PDFs were drawn."""
    return sum(1 for view in views if draw(view, letterhead))


def pages(figures: Sequence[Figures], pdfs: Mapping[str, str], there: frozenset[str]) -> int:
    """How many files were drawn."""
    return len(site_drawing.draw_all(figures, pdfs, there))
