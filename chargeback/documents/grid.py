"""A table that flows over pages: its header is repeated, its rows are never cut.

Owns columns, row heights and where a page ends. A platypus flowable like `reportlab.platypus.Table`,
but its cells are set by `typesetting`, so they wrap, fall back between faces and know no markup.
"""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from reportlab.platypus import Flowable

from chargeback.documents.ink import (
    ACCENT,
    AMBER,
    AMBER_TINT,
    BLACK,
    GREY,
    Ink,
)
from chargeback.documents.typefaces import EM
from chargeback.documents.typesetting import wrap

SIZE = 8.5
LEADING = 11.0
PADDING = 3.2
GUTTER = 10.0
HEADER_SIZE = 7.5
LINES_PER_ROW = 30
_OVERHANG = 5.0


class Look(Enum):
    """What kind of row it is, which decides how it looks."""

    PLAIN = "plain"
    HEADING = "heading"
    LATE = "late"
    SUM = "sum"


class Column(NamedTuple):
    """A column: its title, its width in points, and whether it holds numbers."""

    title: str
    room: float
    is_number: bool = False


class Row(NamedTuple):
    """The lines of each cell of a row."""

    cells: tuple[tuple[str, ...], ...]
    look: Look

    @property
    def height(self) -> float:
        """How high the row is with all its lines."""
        return max(map(len, self.cells)) * LEADING + 2 * PADDING


def rows(columns: Sequence[Column], texts: Sequence[str], look: Look = Look.PLAIN) -> list[Row]:
    """One row of a table with its texts wrapped; a very long one goes on in further rows."""
    is_bold = look in (Look.SUM, Look.HEADING)
    cells = [
        wrap(text, is_bold, int((column.room - GUTTER) * EM / SIZE))
        for column, text in zip(columns, texts, strict=True)
    ]
    longest = max(map(len, cells))
    return [
        Row(tuple(cell[at : at + LINES_PER_ROW] for cell in cells), look)
        for at in range(0, longest, LINES_PER_ROW)
    ]


class Grid(Flowable):
    """Rows under a header; what does not fit goes on under the same header on the next page."""

    def __init__(self, columns: Sequence[Column], content: Sequence[Row]) -> None:
        super().__init__()
        self.columns = columns
        self.content = content
        self.width = sum(column.room for column in columns)
        self._header = LEADING + 2 * PADDING

    def wrap(self, _width: float, _height: float) -> tuple[float, float]:
        """How much room the table takes; the name is the one platypus calls."""
        self.height = self._header + sum(row.height for row in self.content)
        return self.width, self.height

    def split(self, _width: float, height: float) -> list[Flowable]:
        """What fits on this page and the rest, or nothing when not even one row fits."""
        used = self._header
        for at, row in enumerate(self.content):
            used += row.height
            if used > height:
                return self._parts(at)
        return [self]

    def _parts(self, at: int) -> list[Flowable]:
        while at and self.content[at - 1].look is Look.HEADING:
            at -= 1  # A heading alone at the foot of a page announces nothing.
        if not at:
            return []
        return [Grid(self.columns, self.content[:at]), Grid(self.columns, self.content[at:])]

    def draw(self) -> None:
        """Draw header and rows; the name is the one platypus calls."""
        ink = Ink.of(self.canv)
        top = self.height
        self._draw_header(ink, top)
        top -= self._header
        for row in self.content:
            self._draw_row(ink, row, top)
            top -= row.height
        ink.flush()

    def _draw_header(self, ink: Ink, top: float) -> None:
        x = 0.0
        for column in self.columns:
            if column.is_number:
                ink.right(x + column.room, top - LEADING, column.title, HEADER_SIZE, GREY)
            else:
                ink.text(x, top - LEADING, column.title, HEADER_SIZE, GREY)
            x += column.room
        ink.rule(0, top - self._header, self.width, ACCENT, 0.9)

    def _draw_row(self, ink: Ink, row: Row, top: float) -> None:
        bottom = top - row.height
        if row.look in (Look.LATE, Look.HEADING):
            ink.tinted(-_OVERHANG, bottom, self.width + 2 * _OVERHANG, row.height, AMBER_TINT)
            ink.tinted(-_OVERHANG - 2, bottom, 2, row.height, AMBER)
        is_bold = row.look in (Look.SUM, Look.HEADING)
        tint = AMBER if row.look is Look.HEADING else BLACK
        x = 0.0
        for column, lines in zip(self.columns, row.cells, strict=True):
            y = top - PADDING - LEADING * 0.78
            for line in lines:
                if column.is_number:
                    ink.right(x + column.room, y, line, SIZE, tint, is_bold)
                else:
                    ink.text(x, y, line, SIZE, tint, is_bold)
                y -= LEADING
            x += column.room
        if row.look is not Look.HEADING:
            ink.rule(0, bottom, self.width)
