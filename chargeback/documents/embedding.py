"""How a typeface gets into a PDF: the glyphs a document uses, and nothing else of the font.

Owns the PDF font objects (Type0 over TrueType outlines). reportlab's own TrueType fonts know
characters only; shaped scripts need glyphs, so a code here stands for a glyph and for the text that
it shows, and what is copied out of the document is what was put in.
"""

import zlib
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import uharfbuzz as hb  # type: ignore[import-untyped]
from reportlab.pdfbase import pdfdoc

from chargeback.documents.typefaces import BOLD, EM, REGULAR, Face

# The characters every invoice is made of. They are embedded always, so that the font of one plain
# document is the font of all, cut out of the file and compressed once per process.
PLAIN = "".join(map(chr, range(0x20, 0x7F)))
_FIRST_FREE_CODE = 0x80
_UNNEEDED_TABLES = ("GSUB", "GPOS", "GDEF", "name", "OS/2", "post", "cmap", "STAT", "DSIG", "meta")
_BFCHAR_LIMIT = 100

Code = tuple[int, str]


class Program(NamedTuple):
    """What is embedded of a face: compressed outlines, glyph by code, widths, and text by code."""

    outlines: bytes
    outlines_length: int
    glyphs: bytes
    widths: str
    texts: bytes


class EmbeddedFace:
    """The glyphs of one face that one document uses so far; reportlab calls it a delayed font."""

    def __init__(self, face: Face, document: Any) -> None:
        self.face = face
        self.fontName = face.name
        self.codes: dict[Code, int] = {}
        self._next_code = _FIRST_FREE_CODE
        self.resource = f"F{len(document.fontMapping) + 1}"
        document.fontMapping[face.name] = f"/{self.resource}"
        document.delayedFonts.append(self)

    def encoded(self, glyphs: Iterable[Code]) -> str:
        """The glyphs as the hexadecimal string that a PDF shows them by."""
        return "".join([f"{self._code(glyph):04x}" for glyph in glyphs])

    def _code(self, glyph: Code) -> int:
        code = self.codes.get(glyph)
        if code is None:
            code = self.codes[glyph] = self._next_code
            self._next_code += 1
        return code

    def addObjects(self, document: Any) -> None:  # noqa: N802
        """Write the font into the PDF `document`; the name is the one reportlab calls."""
        added = program(self.face, tuple(self.codes))
        reference = document.Reference
        pdf_name = pdfdoc.PDFName(f"{_subset_tag(added)}+{self.face.name}")
        descriptor = _descriptor(self.face, pdf_name, reference(_outlines(added)))
        descendant = {
            "Type": "/Font",
            "Subtype": "/CIDFontType2",
            "BaseFont": pdf_name,
            "CIDSystemInfo": pdfdoc.PDFDictionary(
                {"Registry": "(Adobe)", "Ordering": "(Identity)", "Supplement": 0}
            ),
            "FontDescriptor": reference(descriptor),
            "CIDToGIDMap": reference(_compressed(added.glyphs)),
            "W": added.widths,
        }
        top = {
            "Type": "/Font",
            "Subtype": "/Type0",
            "BaseFont": pdf_name,
            "Encoding": "/Identity-H",
            "DescendantFonts": pdfdoc.PDFArray([reference(pdfdoc.PDFDictionary(descendant))]),
            "ToUnicode": reference(_compressed(added.texts)),
        }
        fonts = document.idToObject["BasicFonts"].dict
        fonts[self.resource] = reference(pdfdoc.PDFDictionary(top))


@cache
def plain_codes(face: Face) -> dict[Code, int]:
    """The codes of plain characters, which are the characters' own; none but in the text faces."""
    if face not in (REGULAR, BOLD):
        return {}
    return {(face.glyph(character), character): ord(character) for character in PLAIN}


@lru_cache(maxsize=64)
def program(face: Face, codes: tuple[Code, ...]) -> Program:
    """The part of `face` that shows plain text and `codes`; the same codes give the same bytes."""
    numbered = {code: glyph for glyph, code in plain_codes(face).items()}
    numbered |= dict(enumerate(codes, _FIRST_FREE_CODE))
    outlines, renumbered = _subset(face, {glyph for glyph, _ in numbered.values()})
    size = max(numbered, default=0) + 1
    glyph_by_code = [renumbered.get(numbered.get(code, (0, ""))[0], 0) for code in range(size)]
    return Program(
        outlines=zlib.compress(outlines),
        outlines_length=len(outlines),
        glyphs=zlib.compress(b"".join(glyph.to_bytes(2, "big") for glyph in glyph_by_code)),
        widths=_widths(face, numbered),
        texts=zlib.compress(_to_unicode(numbered).encode("ascii")),
    )


def _subset(face: Face, glyphs: set[int]) -> tuple[bytes, dict[int, int]]:
    """The font file cut down to `glyphs`, and the number each has in it."""
    wanted = hb.SubsetInput()
    wanted.flags = hb.SubsetFlags.NO_HINTING | hb.SubsetFlags.NO_LAYOUT_CLOSURE
    for glyph in sorted(glyphs):
        wanted.glyph_set.add(glyph)
    for tag in _UNNEEDED_TABLES:
        wanted.drop_table_tag_set.add(int.from_bytes(tag.ljust(4).encode("ascii"), "big"))
    plan = hb.SubsetPlan(face.file, wanted)
    return plan.execute().blob.data, dict(plan.old_to_new_glyph_mapping)


def _widths(face: Face, numbered: dict[int, Code]) -> str:
    pairs = (f"{code}[{face.advance(glyph)}]" for code, (glyph, _) in sorted(numbered.items()))
    return f"[{' '.join(pairs)}]"


def _to_unicode(numbered: dict[int, Code]) -> str:
    """The table by which readers find the text behind the codes."""
    entries = [
        f"<{code:04x}> <{text.encode('utf-16-be').hex()}>"
        for code, (_, text) in sorted(numbered.items())
        if text
    ]
    blocks = [entries[at : at + _BFCHAR_LIMIT] for at in range(0, len(entries), _BFCHAR_LIMIT)]
    body = "\n".join(
        f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks
    )
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
        "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
        "1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n"
        f"{body}\nendcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
    )


def _subset_tag(added: Program) -> str:
    """Six capitals that differ where the embedded part differs, as PDF asks of subset fonts."""
    number = zlib.crc32(added.outlines)
    return "".join(chr(ord("A") + number // 26**place % 26) for place in range(6))


def _descriptor(face: Face, pdf_name: Any, outlines: Any) -> Any:
    extents = face.sized.get_font_extents("ltr")
    return pdfdoc.PDFDictionary(
        {
            "Type": "/FontDescriptor",
            "FontName": pdf_name,
            "Flags": 4,
            "FontBBox": pdfdoc.PDFArray([-2 * EM, extents.descender, 2 * EM, extents.ascender]),
            "ItalicAngle": 0,
            "Ascent": extents.ascender,
            "Descent": extents.descender,
            "CapHeight": 714,
            "StemV": 80,
            "FontFile2": outlines,
        }
    )


def _outlines(added: Program) -> Any:
    stream = _compressed(added.outlines)
    stream.dictionary["Length1"] = added.outlines_length
    return stream


def _compressed(data: bytes) -> Any:
    """A PDF stream of bytes that are compressed already."""
    stream = pdfdoc.PDFStream(content=data)
    stream.dictionary["Filter"] = "/FlateDecode"
    return stream
