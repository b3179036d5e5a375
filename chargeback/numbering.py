"""Document numbers: how the two series write them, and which given ones look like theirs.

The counter itself is a row of the ledger; this module only writes and reads its numbers.
"""

import re
from datetime import date
from enum import StrEnum

from chargeback.errors import Invalid
from chargeback.quoting import quoted

LONGEST_NUMBER = 64
_NUMBER = re.compile(r"([A-Z]+)-(\d{4})(\d\d)(\d\d)-(\d{4,18})", re.ASCII)


class Series(StrEnum):
    """A gapless series of document numbers, by its prefix."""

    INV = "INV"
    CN = "CN"


def number(series: Series, business_date: date, ordinal: int) -> str:
    """The number of the `ordinal`-th document of the series; the ordinal never restarts.

    >>> number(Series.INV, date(2026, 11, 1), 1)
    'INV-20261101-0001'
    """
    if ordinal < 1:
        raise AssertionError(f"the {series} series counts from 1, not from {ordinal}")
    return f"{series}-{business_date:%Y%m%d}-{ordinal:04d}"


def ordinal_in(series: Series, text: str) -> int | None:
    """The place in the series that the number `text` has, or would take; None if it has none."""
    match = _NUMBER.fullmatch(text)
    if match is None or match[1] != series:
        return None
    try:
        business_date = date(int(match[2]), int(match[3]), int(match[4]))
    except ValueError:
        return None
    ordinal = int(match[5])
    is_as_we_write = ordinal >= 1 and number(series, business_date, ordinal) == text
    return ordinal if is_as_we_write else None


def given(text: str) -> str:
    """The number a caller chose, fit to be printed. Raises Invalid (`number_invalid`)."""
    if not text.strip() or text != text.strip() or len(text) > LONGEST_NUMBER:
        raise _invalid(text, f"1 to {LONGEST_NUMBER} characters without spaces around them")
    if not text.isprintable() or ".." in text:
        raise _invalid(text, "printable characters on one line and no '..'")
    return text


def _invalid(text: str, wanted: str) -> Invalid:
    return Invalid("number_invalid", f"{quoted(text)} cannot be a document number; write {wanted}.")
