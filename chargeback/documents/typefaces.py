"""The typefaces that documents are set in, and which of them has a given character.

Owns the font files in `fonts/` and the order in which they are asked. Latin, Greek and Cyrillic are
set in Noto Sans; every other script falls back, character by character, to the first face that has it.
"""

from functools import cache, cached_property
from pathlib import Path

import uharfbuzz as hb  # type: ignore[import-untyped]

FONTS = Path(__file__).parent / "fonts"
EM = 1000

# Scripts before symbols and symbols last, so that a letter never comes from a symbol font.
_SCRIPTS = (
    "Arabic",
    "Hebrew",
    "Devanagari",
    "Bengali",
    "Gurmukhi",
    "Gujarati",
    "Oriya",
    "Tamil",
    "Telugu",
    "Kannada",
    "Malayalam",
    "Sinhala",
    "Thai",
    "Lao",
    "Myanmar",
    "Khmer",
    "Ethiopic",
    "Armenian",
    "Georgian",
    "Cherokee",
    "Mongolian",
    "Thaana",
    "Syriac",
    "NKo",
    "CanadianAboriginal",
    "Tifinagh",
    "Javanese",
    "Adlam",
    "Coptic",
)
_FALLBACK_FILES = (
    "DroidSansFallbackFull",
    "NanumSquare-Regular",
    *(f"NotoSans{script}-Regular" for script in _SCRIPTS),
    "NotoSerifTibetan-Regular",
    "NotoEmoji-Regular",
    "NotoSansSymbols-Regular",
    "NotoSansSymbols2-Regular",
    "NotoSansMath-Regular",
)


class Face:
    """One font file, measured in thousandths of an em and read when first needed."""

    def __init__(self, file_stem: str) -> None:
        self.name = file_stem

    @cached_property
    def file(self) -> hb.Face:
        """The font as HarfBuzz reads it."""
        return hb.Face(hb.Blob.from_file_path(str(FONTS / f"{self.name}.ttf")))

    @cached_property
    def sized(self) -> hb.Font:
        """The font at the size of one em."""
        font = hb.Font(self.file)
        font.scale = (EM, EM)
        return font

    @cached_property
    def characters(self) -> frozenset[int]:
        """Every code point the font has a glyph for."""
        return frozenset(self.file.unicodes)

    def advance(self, glyph: int) -> int:
        """How far the pen moves after `glyph`, in thousandths of an em."""
        return int(self.sized.get_glyph_h_advance(glyph))

    def glyph(self, character: str) -> int:
        """The glyph that stands for one character on its own; 0 where there is none."""
        return int(self.sized.get_nominal_glyph(ord(character)) or 0)


REGULAR = Face("NotoSans-Regular")
BOLD = Face("NotoSans-Bold")


@cache
def _fallbacks() -> tuple[Face, ...]:
    return tuple(Face(stem) for stem in _FALLBACK_FILES)


@cache
def face_of(character: str, bold: bool) -> Face | None:
    """The face that `character` is set in; None where no face has it."""
    code = ord(character)
    first = BOLD if bold else REGULAR
    return next((face for face in (first, *_fallbacks()) if code in face.characters), None)
