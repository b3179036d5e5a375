"""The sheet of paper invoices are drawn on: margins, running head, page numbers, watermark.

Owns what is the same on every page. What the document says is in `invoice_blocks`.
"""

import io
from collections.abc import Iterable
from typing import Any, NamedTuple

from reportlab import rl_config
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate

from chargeback.documents.ink import BLACK, FAINT, GREY, WATERMARK, Colour, Ink
from chargeback.documents.typefaces import EM
from chargeback.documents.typesetting import width, wrap

# reportlab reads its options from the environment and the home folder; what decides bytes is fixed
# here. Without base 85 pages are smaller, and drawn in two thirds of the time.
rl_config.useA85 = 0

MARGIN = 56.0
WIDE = A4[0] - 2 * MARGIN
_TOP, _BOTTOM = 52.0, 62.0
_HEAD = 26.0
_SMALL = 7.5


class Running(NamedTuple):
    """What every page says besides its content."""

    title: str
    author: str
    subject: str
    watermark: str


class Sheets(Canvas):
    """A canvas that holds its pages back until it knows how many there are."""

    def __init__(self, *args: Any, running: Running, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ink = Ink(self)
        self.running = running
        self._held: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802
        """End a page; the name is the one reportlab calls."""
        self._held.append(dict(self.__dict__))
        self._startPage()  # type: ignore[attr-defined]

    def save(self) -> None:
        """Number the pages and write the document."""
        held = self._held
        for page in held:
            self.__dict__.update(page)
            self._draw_foot(len(held))
            Canvas.showPage(self)
        super().save()

    def _draw_foot(self, pages: int) -> None:
        ink, y = self.ink, _BOTTOM - 26
        ink.rule(MARGIN, y + 12, WIDE)
        ink.text(MARGIN, y, fitted(self.running.author, 220), _SMALL, GREY)
        count = f"Page {self.getPageNumber()} of {pages}"
        ink.right(MARGIN + WIDE, y, count, _SMALL, GREY)
        ink.flush()


def fitted(text: str, room: float) -> str:
    """`text` in small type, cut to one line where it is longer than `room`."""
    return wrap(text, False, int(room * EM / _SMALL))[0]


def _begin_page(canvas: Any, document: Any) -> None:
    """Draw what lies under and above the content."""
    if canvas.running.watermark:
        _draw_watermark(canvas)
    if document.page > 1:
        y = A4[1] - _TOP + 6
        canvas.ink.text(MARGIN, y, fitted(canvas.running.title, 300), _SMALL, GREY)
        canvas.ink.right(MARGIN + WIDE, y, fitted(canvas.running.subject, 170), _SMALL, GREY)
        canvas.ink.rule(MARGIN, y - 7, WIDE)
    canvas.ink.flush()


def _draw_watermark(canvas: Sheets) -> None:
    word, size = canvas.running.watermark, 96
    canvas.saveState()
    canvas.translate(A4[0] / 2, A4[1] / 2)
    canvas.rotate(52)
    length = width(word, True) * size / EM
    canvas.ink.text(-length / 2, -size / 3, word, size, WATERMARK, bold=True)
    canvas.ink.flush()
    canvas.restoreState()


def _frame(head: float) -> Frame:
    high = A4[1] - _TOP - head - _BOTTOM
    return Frame(MARGIN, _BOTTOM, WIDE, high, 0, 0, 0, 0)


def bind(story: Iterable[Flowable], running: Running) -> bytes:
    """The PDF of `story` on numbered pages: identical bytes for an identical story."""
    written = io.BytesIO()
    template = BaseDocTemplate(written, pagesize=A4, invariant=1, pageCompression=1)
    template.addPageTemplates(
        [
            PageTemplate("first", [_frame(0)], onPage=_begin_page, autoNextPageTemplate="later"),
            PageTemplate("later", [_frame(_HEAD)], onPage=_begin_page),
        ]
    )
    template.title, template.author = running.title, running.author
    template.subject = running.subject
    template.creator, template.producer = "Chargeback", "Chargeback"

    def sheets(*args: Any, **kwargs: Any) -> Sheets:
        return Sheets(*args, running=running, **kwargs)

    template.build(list(story), canvasmaker=sheets)
    return written.getvalue()


class Mark(NamedTuple):
    """One text on a panel; `y` is its baseline below the panel's top, `x` its right end if so."""

    x: float
    y: float
    text: str
    size: float = 8.5
    tint: Colour = BLACK
    bold: bool = False
    from_right: bool = False


class Rule(NamedTuple):
    """One level line on a panel."""

    x: float
    y: float
    length: float
    tint: Colour = FAINT
    weight: float = 0.5


class Panel(Flowable):
    """Texts and lines at fixed places, kept together on one page."""

    def __init__(
        self,
        height: float,
        marks: Iterable[Mark],
        rules: Iterable[Rule] = (),
        space_before: float = 0,
    ) -> None:
        super().__init__()
        self.spaceBefore = space_before
        self.width, self.height = WIDE, height
        self.marks, self.rules = tuple(marks), tuple(rules)

    def wrap(self, _width: float, _height: float) -> tuple[float, float]:
        """How much room the panel takes; the name is the one platypus calls."""
        return self.width, self.height

    def draw(self) -> None:
        """Draw the panel; the name is the one platypus calls."""
        ink = Ink.of(self.canv)
        for x, y, length, tint, weight in self.rules:
            ink.rule(x, self.height - y, length, tint, weight)
        for x, y, text, size, tint, bold, from_right in self.marks:
            write = ink.right if from_right else ink.text
            write(x, self.height - y, text, size, tint, bold)
        ink.flush()
