"""Which text can be kept: Postgres takes no NUL and no half of a surrogate pair.

Owns the question. What is said to whoever sent such text is each reader's.
"""

from collections.abc import Iterator
from typing import Any


def is_storable(text: str) -> bool:
    """Whether Postgres can hold it: no NUL and no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, held in value.items():
            yield key
            yield from texts_in(held)
    elif isinstance(value, list):
        for held in value:
            yield from texts_in(held)
