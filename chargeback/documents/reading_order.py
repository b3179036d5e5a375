"""Which way each character of a name runs: the levels by which right-to-left text is reordered.

Owns the Unicode bidirectional algorithm as far as one line of text without embeddings needs it (they
are printed by their code, see `typesetting`): rules P2 to P3, W1 to W7, N0 to N2 and I1 to I2.
Source: Unicode Standard Annex 9.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby

_STRONG = {"L": "L", "R": "R", "AL": "R"}
_NEUTRAL = frozenset({"B", "S", "WS", "ON", "BN"})
_BRACKETS = dict(zip("([{（［｛「『【〈《〔", ")]}）］｝」』】〉》〕", strict=True))
_CLOSING = {closing: opening for opening, closing in _BRACKETS.items()}


def levels(text: str) -> list[int]:
    """The embedding level of each character: even where text runs from left to right, else odd."""
    kinds = [unicodedata.bidirectional(character) or "L" for character in text]
    base = 1 if next((_STRONG[kind] for kind in kinds if kind in _STRONG), "L") == "R" else 0
    if not any(kind in ("R", "AL", "AN") for kind in kinds):
        return [0] * len(text)
    direction = "LR"[base]
    _resolve_weak(kinds, direction)
    _resolve_brackets(text, kinds, direction)
    _resolve_neutral(kinds, direction)
    return [_level(kind, base) for kind in kinds]


def _level(kind: str, base: int) -> int:
    """I1 and I2: text against the base goes up one level, numbers to the next even one."""
    if kind == "R":
        return base | 1
    if kind == "L":
        return base + base % 2
    return 2


def _resolve_weak(kinds: list[str], direction: str) -> None:
    """W1 to W7: marks, numbers and what stands between numbers take the way of their neighbours."""
    before = direction
    for index, kind in enumerate(kinds):
        kinds[index] = before if kind == "NSM" else kind
        before = kinds[index]
    strong = direction
    for index, kind in enumerate(kinds):
        strong = kind if kind in _STRONG else strong
        if kind == "EN" and strong == "AL":
            kinds[index] = "AN"
    kinds[:] = ["R" if kind == "AL" else kind for kind in kinds]
    _join_numbers(kinds)
    kinds[:] = ["ON" if kind in ("ES", "ET", "CS") else kind for kind in kinds]
    strong = direction
    for index, kind in enumerate(kinds):
        strong = kind if kind in _STRONG else strong
        if kind == "EN" and strong == "L":
            kinds[index] = "L"


def _join_numbers(kinds: list[str]) -> None:
    """W4 and W5: one separator between two numbers, and signs beside a number, belong to it."""
    for index in range(1, len(kinds) - 1):
        left, kind, right = kinds[index - 1 : index + 2]
        if left == right and (
            (kind == "CS" and left in ("EN", "AN")) or (kind == "ES" and left == "EN")
        ):
            kinds[index] = left
    for start, end in _stretches(kinds, frozenset({"ET"})):
        if "EN" in kinds[max(start - 1, 0) : start] + kinds[end : end + 1]:
            kinds[start:end] = ["EN"] * (end - start)


def _resolve_brackets(text: str, kinds: list[str], direction: str) -> None:
    """N0: both brackets of a pair run the same way, decided by what stands inside and before."""
    for opening, closing in _pairs(text, kinds):
        inside = {_direction(kind) for kind in kinds[opening + 1 : closing]} - {None}
        if not inside:
            continue
        way = direction
        if direction not in inside:
            before = next(filter(None, map(_direction, reversed(kinds[:opening]))), direction)
            way = before if before in inside else direction
        kinds[opening] = kinds[closing] = way


def _pairs(text: str, kinds: Sequence[str]) -> list[tuple[int, int]]:
    """Where the matching brackets stand, in the order of the opening ones."""
    pairs: list[tuple[int, int]] = []
    waiting: list[int] = []
    for index, character in enumerate(text):
        if kinds[index] != "ON":
            continue
        if character in _BRACKETS:
            waiting.append(index)
        elif character in _CLOSING:
            match = next((w for w in reversed(waiting) if _BRACKETS[text[w]] == character), None)
            if match is not None:
                pairs.append((match, index))
                del waiting[waiting.index(match) :]
    return sorted(pairs)


def _resolve_neutral(kinds: list[str], direction: str) -> None:
    """N1 and N2: what is neutral runs with both neighbours, or with the line if these differ."""
    for start, end in _stretches(kinds, _NEUTRAL):
        left = _direction(kinds[start - 1]) if start else direction
        right = _direction(kinds[end]) if end < len(kinds) else direction
        way = left if left == right and left else direction
        kinds[start:end] = [way] * (end - start)


def _direction(kind: str) -> str | None:
    """The way a kind runs for its neighbours, for whom numbers run from right to left."""
    return "R" if kind in ("EN", "AN") else _STRONG.get(kind)


def _stretches(kinds: Sequence[str], of: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Start and end of each unbroken stretch of characters of the kinds `of`."""
    for is_of, group in groupby(list(enumerate(kinds)), key=lambda pair: pair[1] in of):
        if is_of:
            indexes = [index for index, _ in group]
            yield indexes[0], indexes[-1] + 1
