"""Reads the records of a JSON answer one by one, whatever its size, with every digit of a number.

Owns the three JSON bodies: an object with `records`, a JSON string that holds such an object, and a
bare list. Does not know what a record means.
Streaming parsers were as fast but gave up a whole file for one NaN, one huge number or one broken
character; here such a value spoils its own record only.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import Any, NoReturn

from chargeback.errors import Invalid

LONGEST_RECORD_CHARACTERS = 16 * 2**20
_INK = re.compile(r"[^ \t\n\r]")
_DELIMITER = re.compile(r"[ \t\n\r]*([,:\]}])[ \t\n\r]*")
# The inside of a string up to its quote, or to an escape that the text at hand does not settle:
# one that is cut, or the first half of a surrogate pair whose second may follow.
_INSIDE = re.compile(
    r"""[^"\\]*(?:\\(?:[^u]|u(?![dD][89abAB])[0-9a-fA-F]{4}
    |u[dD][89abAB][0-9a-fA-F]{2}(?=[^\\]|\\[^u]|\\u[0-9a-fA-F]{4}))[^"\\]*)*""",
    re.DOTALL | re.VERBOSE,
)
_LONGEST_ESCAPE = len(r"\ud83d\ude00")
_EXACT = json.JSONDecoder(parse_float=Decimal, parse_constant=Decimal)
# Numbers that no Decimal or int takes stay text, so that they spoil their own record only.
_AS_TEXT = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


def json_records(chunks: Iterator[str], name: str) -> Iterator[Any]:
    """The records in `chunks`, the text of a whole answer cut anywhere; numbers are int or Decimal.

    Raises Invalid (`delivery_invalid`) naming `name` when the text is cut or is no such JSON; what
    was read until then has been delivered.
    """
    text = _Text(chunks, name)
    if text.next_character() == '"':
        text = _Text(unescaped(text.rest(), name), name)
    opening = text.next_character()
    if opening == "":
        raise Invalid("delivery_empty", f"{name} is empty; export it again.")
    if opening not in "{[":
        raise Invalid(
            "delivery_invalid",
            f"{name} is not JSON: it begins with {opening!r}; "
            "give an export with records, or set `form` to csv.",
        )
    text.take()
    yield from _in_object(text) if opening == "{" else _in_list(text)
    if text.next_character():
        text.refuse("there is more after its end")


def _in_object(text: "_Text") -> Iterator[Any]:
    """The records under `records`; everything else at the top is read over."""
    is_found, delimiter = False, "," if text.next_character() != "}" else text.take()
    while delimiter == ",":
        key, delimiter = text.value()
        if delimiter != ":":
            text.refuse("a key has no value")
        if key != "records":
            _, delimiter = text.value()
            continue
        if is_found or text.next_character() != "[":
            text.refuse("`records` is not one list")
        text.take()
        yield from _in_list(text)
        is_found, delimiter = True, text.next_character() and text.take()
    if delimiter != "}":
        text.refuse("it ends before its object does")
    if not is_found:
        text.refuse("it has no `records`")


def _in_list(text: "_Text") -> Iterator[Any]:
    if text.next_character() == "]":
        text.take()
        return
    delimiter = ","
    while delimiter == ",":
        value, delimiter = text.value()
        yield value
    if delimiter != "]":
        text.refuse("its list of records is broken")


def unescaped(chunks: Iterator[str], name: str) -> Iterator[str]:
    """What a JSON string says, piece by piece; `chunks` begins with its opening quote.

    A piece never ends inside an escape or between the halves of a surrogate pair.
    """
    held = next(chunks)[1:]
    while True:
        inside = _INSIDE.match(held)
        end = inside.end() if inside else 0
        # An empty piece would look like the end.
        if end:
            yield _unescape(held[:end], name)
        held = held[end:]
        if held.startswith('"'):
            return _refuse_more(chain((held[1:],), chunks), name)
        more = next(chunks, "")
        if not more or len(held) >= _LONGEST_ESCAPE:
            raise Invalid(
                "delivery_invalid", f"{name} is cut or broken in its string; export it again."
            )
        held += more


def _unescape(piece: str, name: str) -> str:
    try:
        text: str = json.loads(f'"{piece}"')
    except ValueError as fault:
        raise Invalid(
            "delivery_invalid", f"{name} holds a broken JSON string ({fault}); export it again."
        ) from None
    return text


def _refuse_more(chunks: Iterator[str], name: str) -> None:
    if any(_INK.search(chunk) for chunk in chunks):
        raise Invalid("delivery_invalid", f"{name} has more after its string; export it again.")


class _Text:
    """JSON text with a position, of which only the part around the position is in memory."""

    def __init__(self, chunks: Iterator[str], name: str) -> None:
        self._chunks = chunks
        self._name = name
        self._held = ""
        self._at = 0
        self._dropped = 0

    def next_character(self) -> str:
        """The next character that is no white space, without taking it; "" at the end."""
        while not (ink := _INK.search(self._held, self._at)):
            self._at = len(self._held)
            if not self._grow():
                return ""
        self._at = ink.start()
        return ink[0]

    def take(self) -> str:
        """The character that `next_character` showed; the white space after it is gone, too."""
        taken = self._held[self._at]
        self._at += 1
        self.next_character()
        return taken

    def rest(self) -> Iterator[str]:
        """Everything from here to the end, as chunks."""
        yield self._held[self._at :]
        yield from self._chunks

    def value(self) -> tuple[Any, str]:
        """The next value and the delimiter after it, both taken."""
        while True:
            fault = "it is cut"
            try:
                value, end = self._decoded()
                if delimiter := _DELIMITER.match(self._held, end):
                    self._at = delimiter.end()
                    return value, delimiter[1]
            except json.JSONDecodeError as error:
                fault = error.msg
            except RecursionError:
                self.refuse("it is nested too deeply")
            if not self._grow():
                self.refuse(fault)
            self.next_character()

    def _decoded(self) -> tuple[Any, int]:
        try:
            return _EXACT.raw_decode(self._held, self._at)
        except json.JSONDecodeError:
            raise
        except (InvalidOperation, ValueError):
            return _AS_TEXT.raw_decode(self._held, self._at)

    def _grow(self) -> bool:
        """Drop what was read and hold one more chunk; False at the end."""
        if len(self._held) - self._at > LONGEST_RECORD_CHARACTERS:
            self.refuse(f"no value ends within {LONGEST_RECORD_CHARACTERS} characters")
        more = next(self._chunks, "")
        if more:
            self._dropped += self._at
            self._held, self._at = self._held[self._at :] + more, 0
        return bool(more)

    def refuse(self, reason: str) -> NoReturn:
        """Raise Invalid with the reason and about where."""
        raise Invalid(
            "delivery_invalid",
            f"{self._name} cannot be read near character {self._dropped + self._at + 1}: "
            f"{reason}; export it again.",
        )
