"""How text, rules and tints get onto a PDF page.

Owns the drawing operators. Everything that is written goes through `Ink.text`, which knows characters
only and no markup, so nothing in a name can become anything but its own picture.
Units: points, from the lower left corner.
"""

from typing import Any

from chargeback.documents.embedding import EmbeddedFace
from chargeback.documents.typefaces import BOLD, EM, REGULAR, Face
from chargeback.documents.typesetting import Run, is_plain, shaped, width

Colour = str


def colour(hexadecimal: str) -> Colour:
    """The colour that `hexadecimal` (six digits) writes, as PDF operators name it."""
    return " ".join(f"{part / 255:.3f}" for part in bytes.fromhex(hexadecimal))


BLACK = colour("1c2430")
GREY = colour("66707d")
FAINT = colour("d9dee5")
ACCENT = colour("1d4f73")
AMBER = colour("9a6200")
AMBER_TINT = colour("fdf4e0")
RED = colour("a3262a")
WATERMARK = colour("eef1f4")


class Ink:
    """Writes on the pages of one reportlab canvas, and keeps the faces its document uses."""

    def __init__(self, canvas: Any) -> None:
        self.canvas = canvas
        self._faces: dict[Face, EmbeddedFace] = {}
        self._codes: list[str] = []

    @classmethod
    def of(cls, canvas: Any) -> "Ink":
        """The ink of a canvas that has one."""
        ink: Ink = canvas.ink
        return ink

    def text(
        self, x: float, y: float, text: str, size: float, tint: Colour = BLACK, bold: bool = False
    ) -> None:
        """Write `text` with its left end at `x`."""
        self._codes.append(f"BT {tint} rg")
        if is_plain(text):
            face = self._face(BOLD if bold else REGULAR)
            shown = text.encode("utf-16-be").hex()
            self._codes.append(f"/{face.resource} {size:g} Tf {x:.2f} {y:.2f} Td <{shown}> Tj ET")
            return
        for run in shaped(text, bold):
            self._run(run, x, y, size)
            x += run.width * size / EM
        self._codes.append("ET")

    def right(
        self, x: float, y: float, text: str, size: float, tint: Colour = BLACK, bold: bool = False
    ) -> None:
        """Write `text` with its right end at `x`."""
        self.text(x - width(text, bold) * size / EM, y, text, size, tint, bold)

    def _run(self, run: Run, x: float, y: float, size: float) -> None:
        """Show a shaped run glyph by glyph, with the text that it is, for whoever copies it."""
        face = self._face(run.face)
        actual = run.text.encode("utf-16-be", "surrogatepass").hex()
        self._codes.append(f"/Span << /ActualText <feff{actual}> >> BDC")
        self._codes.append(f"/{face.resource} {size:g} Tf")
        scale = size / EM
        for glyph in run.glyphs:
            code = face.encoded([(glyph.number, glyph.text)])
            at = f"1 0 0 1 {x + glyph.dx * scale:.2f} {y + glyph.dy * scale:.2f} Tm"
            self._codes.append(f"{at} <{code}> Tj")
            x += glyph.advance * scale
        self._codes.append("EMC")

    def _face(self, face: Face) -> EmbeddedFace:
        embedded = self._faces.get(face)
        if embedded is None:
            embedded = self._faces[face] = EmbeddedFace(face, self.canvas._doc)
        return embedded

    def rule(
        self, x: float, y: float, length: float, tint: Colour = FAINT, weight: float = 0.5
    ) -> None:
        """Draw a level line from `x` to the right."""
        ends = f"{x:.2f} {y:.2f} m {x + length:.2f} {y:.2f} l S"
        self._codes.append(f"{tint} RG {weight:g} w {ends}")

    def tinted(self, x: float, y: float, wide: float, high: float, tint: Colour) -> None:
        """Fill a box whose lower left corner is at `x`, `y`."""
        box = f"{x:.2f} {y:.2f} {wide:.2f} {high:.2f} re f"
        self._codes.append(f"{tint} rg {box}")

    def getCode(self) -> str:  # noqa: N802
        """What was drawn since the last time; the name is the one reportlab calls."""
        drawn = "\n".join(self._codes)
        self._codes.clear()
        return drawn

    def flush(self) -> None:
        """Hand what was drawn to the canvas."""
        self.canvas.drawText(self)
