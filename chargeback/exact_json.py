"""JSON with every digit of its numbers, both ways: read as int and Decimal, written as they are.

Owns what a JSON text is refused for before anybody asks what it means.
"""

import json
import re
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec

from chargeback import money
from chargeback.errors import Invalid
from chargeback.quoting import quoted
from chargeback.storable import is_storable, texts_in

DEEPEST: Final = 32
LARGEST_EXPONENT: Final = 1_000
_ESCAPED_NONSENSE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def loads(body: bytes) -> Any:
    """The value that `body` writes. Raises Invalid for what is no JSON, or no value that can be kept.

    A byte order mark is accepted. Refused are other encodings than UTF-8, keys given twice, NaN and
    infinities, numbers beyond 10¹⁰⁰⁰, nesting beyond 32, NUL and halves of characters.
    """
    if not body.strip():
        raise Invalid("body_empty", "the body is empty; send a JSON object.")
    try:
        written = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(
            "body_not_utf8", f"the body is no UTF-8 at byte {error.start}; send UTF-8."
        ) from None
    if written.count("[") + written.count("{") > DEEPEST:
        _refuse_deep(written)
    try:
        value = _DECODER.decode(written)
    except json.JSONDecodeError as error:
        raise Invalid(
            "json_invalid",
            f"the body is no JSON: {error.msg.lower()} in line {error.lineno}, column {error.colno}; mend it there.",
        ) from None
    except ValueError:
        raise Invalid(
            "number_invalid", "the body holds a number of thousands of digits; send a shorter one."
        ) from None
    if _ESCAPED_NONSENSE.search(written) and not all(map(is_storable, texts_in(value))):
        raise Invalid("text_invalid", "a text holds a NUL or half a character; remove it.")
    return value


def dumps(value: Any) -> bytes:
    """`value` as JSON: Decimals as numbers with all their digits, dates and ids as text."""
    return _ENCODER.encode(value)


def figure(amount: Decimal) -> Decimal:
    """The amount as the API writes it: no more digits than it has, but one after the point.

    >>> figure(Decimal("250.500000000000000000")), figure(Decimal(10))
    (Decimal('250.5'), Decimal('10.0'))
    """
    written = f"{money.EXACT.normalize(amount):f}"
    return Decimal(written if "." in written else f"{written}.0")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Invalid(
            "json_duplicate_key", f"the field {quoted(twice)} is given twice; give it once."
        )
    return fields


def _number(written: str) -> Decimal:
    number = Decimal(written) if len(written) < LARGEST_EXPONENT else None
    if number is None or abs(number.adjusted()) > LARGEST_EXPONENT:
        raise Invalid(
            "number_invalid", f"{quoted(written)} is beyond every ledger; send a smaller number."
        )
    return number


def _constant(written: str) -> NoReturn:
    raise Invalid("number_invalid", f"{written} is no JSON number; send a finite one.")


_DECODER = json.JSONDecoder(parse_float=_number, parse_constant=_constant, object_pairs_hook=_pairs)


def _refuse_deep(written: str) -> None:
    depth = 0
    for sign in re.findall(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', written):
        depth += 1 if sign in "[{" else -1 if sign in "]}" else 0
        if depth > DEEPEST:
            raise Invalid("too_deep", f"the body is nested deeper than {DEEPEST}; flatten it.")
