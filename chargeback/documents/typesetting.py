"""From text to glyphs: what a name looks like set in type, how wide it is, where its lines break.

Owns fallback between faces, shaping, the order of right-to-left text, and what becomes of characters
that cannot be shown. Text is never markup here: every character stands for itself.
Units: widths in thousandths of the type size.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby, islice
from typing import NamedTuple

import uharfbuzz as hb  # type: ignore[import-untyped]

from chargeback.documents.embedding import PLAIN
from chargeback.documents.reading_order import levels
from chargeback.documents.typefaces import BOLD, REGULAR, Face, face_of

_SPACES = re.compile("[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]")
_JOINING = frozenset("\u200b\u200c\u200d\u200e\u200f\u00ad\ufeff")
_JOINER = "\u200d"
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_TAGS = range(0xE0020, 0xE0080)


class Glyph(NamedTuple):
    """One glyph of a shaped run, with the text it stands for."""

    number: int
    text: str
    advance: int
    dx: int
    dy: int


class Run(NamedTuple):
    """Glyphs of one face in the order they are drawn, and the text they show together."""

    face: Face
    glyphs: tuple[Glyph, ...]
    text: str

    @property
    def width(self) -> int:
        """How wide the run is."""
        return sum(glyph.advance for glyph in self.glyphs)


def _plain_widths(face: Face) -> dict[str, int]:
    return {character: face.advance(face.glyph(character)) for character in PLAIN}


_WIDTHS = {False: _plain_widths(REGULAR), True: _plain_widths(BOLD)}


def is_plain(text: str) -> bool:
    """Whether `text` is printable ASCII, which needs neither fallback nor shaping."""
    return text.isascii() and text.isprintable()


def width(text: str, bold: bool = False) -> int:
    """How wide `text` is when it is set on one line."""
    if is_plain(text):
        return sum(map(_WIDTHS[bold].__getitem__, text))
    return sum(run.width for run in shaped(text, bold))


@lru_cache(maxsize=4096)
def shaped(text: str, bold: bool = False) -> tuple[Run, ...]:
    """`text` as runs of glyphs, from left to right."""
    shown = visible(text)
    pieces = [
        (level, face, "".join(cluster for _, _, cluster in group))
        for (level, face), group in groupby(_leveled_clusters(shown, bold), key=lambda c: c[:2])
    ]
    return tuple(_run(face, piece, level % 2 == 1) for level, face, piece in _in_order(pieces))


def visible(text: str) -> str:
    """`text` with line breaks and tabs as spaces, and what has no shape as its code point.

    Letters that were typed in parts (a jamo, an accent) are put together first, for faces that have
    the whole letter only; what is read from the document is the composed form.
    """
    composed = unicodedata.normalize("NFC", _SPACES.sub(" ", text))
    return "".join(map(_shown, composed))


def _shown(character: str) -> str:
    return character if _has_shape(character) else f"[U+{ord(character):04X}]"


def _has_shape(character: str) -> bool:
    if is_plain(character) or _is_joined(character):
        return True
    is_hidden = unicodedata.category(character)[0] == "C" and character not in _JOINING
    return not is_hidden and face_of(character, False) is not None


def _is_joined(character: str) -> bool:
    """Whether the character belongs to the one before it and takes that one's face."""
    if character in _JOINING or ord(character) in _SKIN_TONES or ord(character) in _TAGS:
        return True
    return unicodedata.category(character) in ("Mn", "Mc", "Me")


def clusters(text: str) -> Iterator[str]:
    """The characters of `text`, each with the marks and joiners that may not be cut from it."""
    cluster = ""
    for character in text:
        if cluster and not _is_joined(character) and not cluster.endswith(_JOINER):
            yield cluster
            cluster = ""
        cluster += character
    if cluster:
        yield cluster


def _leveled_clusters(text: str, bold: bool) -> Iterator[tuple[int, Face, str]]:
    directions = iter(levels(text))
    for cluster in clusters(text):
        level, *_ = islice(directions, len(cluster))
        yield level, _face_of_cluster(cluster, bold), cluster


def _face_of_cluster(cluster: str, bold: bool) -> Face:
    """The face of the cluster's first character, unless only another one has all its marks."""
    first = face_of(cluster[0], bold)
    own = BOLD if bold else REGULAR
    return first or next((f for c in cluster if (f := face_of(c, bold))), own)


def _in_order(pieces: list[tuple[int, Face, str]]) -> list[tuple[int, Face, str]]:
    """The pieces from left to right: each stretch at or above a level is reversed, highest first."""
    for level in range(max((piece[0] for piece in pieces), default=0), 0, -1):
        ordered: list[tuple[int, Face, str]] = []
        for is_above, group in groupby(pieces, key=lambda piece: piece[0] >= level):
            stretch = list(group)
            ordered += reversed(stretch) if is_above else stretch
        pieces = ordered
    return pieces


def _run(face: Face, text: str, from_right: bool) -> Run:
    buffer = hb.Buffer()
    buffer.cluster_level = hb.BufferClusterLevel.MONOTONE_CHARACTERS
    buffer.add_str(text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if from_right else "ltr"
    hb.shape(face.sized, buffer)
    starts = sorted({info.cluster for info in buffer.glyph_infos})
    ends = dict(zip(starts, [*starts[1:], len(text)], strict=True))
    glyphs: list[Glyph] = []
    told: set[int] = set()
    for info, at in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        shows = "" if info.cluster in told else text[info.cluster : ends[info.cluster]]
        told.add(info.cluster)
        glyphs.append(Glyph(info.codepoint, shows, at.x_advance, at.x_offset, at.y_offset))
    return Run(face, tuple(glyphs), text)


@lru_cache(maxsize=4096)
def wrap(text: str, bold: bool, room: int) -> tuple[str, ...]:
    """`text` in lines no wider than `room`: broken at spaces, and inside a word that is wider."""
    if width(text, bold) <= room:
        return (text,)
    lines: list[str] = []
    line, line_width = "", 0
    for word in text.split(" "):
        needed = width(f" {word}" if line else word, bold)
        if line and line_width + needed > room:
            lines.append(line)
            line, line_width, needed = "", 0, width(word, bold)
        if needed > room:
            *full, word = broken(word, bold, room)
            lines += full
            needed = width(word, bold)
        line = f"{line} {word}" if line else word
        line_width += needed
    return (*lines, line)


def broken(word: str, bold: bool, room: int) -> list[str]:
    """One word cut into pieces no wider than `room`, never inside a character and its marks."""
    pieces = [""]
    used = 0
    for cluster in clusters(word):
        needed = width(cluster, bold)
        if pieces[-1] and used + needed > room:
            pieces.append("")
            used = 0
        pieces[-1] += cluster
        used += needed
    return pieces
