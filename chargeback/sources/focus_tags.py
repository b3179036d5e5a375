"""The tags of a FOCUS row: a JSON object whose keys people write as they like."""

import json
from typing import Any

from chargeback.errors import Invalid


def tags_of(column: str, text: str) -> dict[str, str]:
    """The tags, by key without surrounding space and in one case; of two that then agree the exact one wins.

    Values that are no text are written as JSON writes them (`true`); empty ones and nulls are none.
    Raises Invalid where the cell is no JSON object: it may be cut off, and tags decide who pays.
    """
    try:
        given = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise Invalid("tags_invalid", f"{column} is no JSON object; export the row again.")
    found: dict[str, str] = {}
    # What is written exactly comes last and stays.
    for key in sorted(given, key=lambda key: (key == _folded(key), key)):
        if value := _text(given[key]):
            found[_folded(key)] = value
    return found


def value_of(tags: dict[str, str], key: str) -> str | None:
    """The value of the tag `key`, however its case and the space around it were written."""
    return tags.get(_folded(key))


def _folded(key: str) -> str:
    return key.strip().casefold()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.strip() if isinstance(value, str) else json.dumps(value)
