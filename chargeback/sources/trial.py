"""Tries a source without storing anything: does it answer, and what is its first row?"""

from collections.abc import Generator
from contextlib import closing
from datetime import datetime, timedelta
from typing import NamedTuple

from chargeback.quoting import quoted
from chargeback.sources.contract import Refusal, Source, Usage, Window

TRIED_DAYS = 2


class Trial(NamedTuple):
    """What trying gave: the first row, if there is any, and a sentence for people."""

    first: Usage | Refusal | None
    sentence: str


def tried(source: Source, currency: str, as_of: datetime) -> Trial:
    """What the source answers for the last days, as far as its first row. Raises what reading raises.

    Units: costs are in `currency` where a row says nothing else.
    """
    window = source.plan(Window(as_of - timedelta(days=TRIED_DAYS), as_of))
    with closing(_rows(source, window)) as rows:
        first = next(rows, None)
    if first is None:
        return Trial(None, f"it answers, and has nothing of {_words(window)}.")
    if isinstance(first, Refusal):
        return Trial(first, f"it answers, but its first row cannot be booked: {first.reason}")
    return Trial(
        first,
        f"it answers; the first row is {quoted(first.external_id)} of {first.usage_at:%Y-%m-%d %H:%M} UTC, "
        f"{first.cost:f} {first.currency or currency}.",
    )


def _rows(source: Source, window: Window) -> Generator[Usage | Refusal, None, None]:
    """The rows, so that closing gives back what reading holds: a connection, a file."""
    yield from source.read(window)


def _words(window: Window) -> str:
    return (
        "anything" if window.start is None else f"the time since {window.start:%Y-%m-%d %H:%M} UTC"
    )
