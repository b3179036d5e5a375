"""Answers of JSON interfaces, one page each, whole in memory and with every digit of a number.

Owns the bound on a page and what a broken one means. Deliveries of any size are `json_records`'.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx

from chargeback.errors import Invalid, Unavailable
from chargeback.sources.contract import World
from chargeback.sources.http_delivery import fetched, shown

MOST_PAGES = 1_000
LARGEST_PAGE_BYTES = 256 * 2**20
_JSON = frozenset({"application/json", "text/json"})


def answer(
    url: str,
    path: str,
    asked: Mapping[str, str | list[str]],
    headers: Mapping[str, str],
    world: World,
) -> dict[str, Any]:
    """The object that GET `url` + `path` answers to the query `asked`.

    Raises Unavailable where it is cut, Invalid where it is no JSON object.
    """
    there = httpx.URL(url.rstrip("/") + path).copy_merge_params(asked)
    with fetched(there, {"accept": "application/json", **headers}, _JSON, world) as file:
        content = file.read(LARGEST_PAGE_BYTES + 1)
    if len(content) > LARGEST_PAGE_BYTES:
        raise Invalid("source_answer", f"{shown(there)} sends a page larger than any should be.")
    try:
        found = json.loads(content, parse_float=Decimal, parse_constant=str)
    except json.JSONDecodeError as fault:
        if fault.pos >= len(fault.doc.rstrip()) or "Unterminated" in fault.msg:
            raise Unavailable(
                "source_unavailable", f"{shown(there)} broke off in its answer; sync again later."
            ) from None
        raise _no_object(there) from None
    except (ValueError, InvalidOperation, RecursionError):
        raise _no_object(there) from None
    if not isinstance(found, dict):
        raise _no_object(there)
    return found


def _no_object(there: httpx.URL) -> Invalid:
    return Invalid(
        "source_answer", f"{shown(there)} answers no JSON object; correct `url` to the interface."
    )


def rows_of(found: Mapping[str, Any], key: str, url: str) -> list[Any]:
    """The list under `key` of an answer. Raises Invalid where there is none."""
    rows = found.get(key)
    if not isinstance(rows, list):
        raise Invalid(
            "source_answer",
            f"{shown(httpx.URL(url))} answers without a list `{key}`; correct `url`.",
        )
    return rows


def pages(
    ask: Callable[[dict[str, str | list[str]]], Mapping[str, Any]], url: str
) -> Iterator[dict[str, Any]]:
    """The objects under `data` of every page; `ask` gets what to add to the question for the next one.

    Raises Unavailable where a page is the last one's again, or there is no end of them.
    """
    more: dict[str, str | list[str]] = {}
    for _ in range(MOST_PAGES):
        found = ask(more)
        yield from (one for one in rows_of(found, "data", url) if isinstance(one, dict))
        following = found.get("next_page")
        if not found.get("has_more"):
            return
        if not isinstance(following, str) or more.get("page") == following:
            break
        more = {"page": following}
    raise Unavailable(
        "source_incomplete", f"{shown(httpx.URL(url))} gives no further page; sync again later."
    )
