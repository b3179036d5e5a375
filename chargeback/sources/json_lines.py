"""Reads JSON lines, one value per line, whatever the size of the file, with every digit of a number.

Owns the lines. A line that is no JSON spoils itself only.
"""

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from io import TextIOBase
from typing import Any

from chargeback.errors import Invalid
from chargeback.sources.contract import Refusal
from chargeback.sources.row_checks import shown

LONGEST_LINE_CHARACTERS = 2**20
_EXACT = json.JSONDecoder(parse_float=Decimal, parse_constant=str)


def json_lines(text: TextIOBase, name: str) -> Iterator[tuple[int, Any]]:
    """Each value with the number of its line; a Refusal in place of one that cannot be read.

    Blank lines are no values. Raises Invalid (`delivery_invalid`) for a line without end.
    """
    number = 0
    while line := text.readline(LONGEST_LINE_CHARACTERS):
        number += 1
        if len(line) == LONGEST_LINE_CHARACTERS:
            raise Invalid(
                "delivery_invalid",
                f"Line {number} of {name} is longer than {LONGEST_LINE_CHARACTERS} characters; "
                "write one value per line.",
            )
        if stripped := line.strip():
            yield number, _value(number, stripped)


def _value(number: int, line: str) -> Any:
    try:
        return _EXACT.decode(line)
    except (ValueError, InvalidOperation, RecursionError) as fault:
        reason = f"The line is no JSON ({getattr(fault, 'msg', type(fault).__name__)}); write one object per line."
        return Refusal(
            number, None, None, "record_invalid", reason, {"line": shown(line[:200])}, None
        )
