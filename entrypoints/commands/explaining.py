"""What `chargeback explain` does: finds out what an id names, and explains that."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import Connection

from chargeback.errors import NotFound
from chargeback.ledger import bearers, explaining, invoices, issuing, line_usage, shares
from chargeback.ledger.database import snapshot
from chargeback.ledger.line_usage import Trail
from chargeback.ledger.shares import ShareName
from chargeback.ledger.usage_reading import Place
from entrypoints import explanations, showing
from entrypoints.ledger_at_hand import ledger_at_hand

_LINE = re.compile(r"(?P<document>.+)/(?P<position>[1-9]\d{0,8})")
_NUMBER = re.compile(r"[1-9]\d{0,17}")


def explain(given: str, most: int, source: str | None, as_json: bool) -> int:
    """Explain a document, a line of one, an allocation or a usage record, whichever `given` names."""
    with ledger_at_hand(), snapshot() as connection:
        found = _found(connection, _Asked(given, max(most, 1), source))
    if as_json:
        showing.print_json(found.as_json)
    else:
        found.show()
    return 0


class _Asked(NamedTuple):
    """An id, how many rows of each kind, and the source that is meant, if one is."""

    given: str
    most: int
    source: str | None


class _Explained:
    """What was found: as JSON, and how it is shown."""

    def __init__(self, as_json: Any, show: Callable[[], None]) -> None:
        self.as_json = as_json
        self.show = show


def _found(connection: Connection, asked: _Asked) -> _Explained:
    """The first of all kinds of things that has this id. Raises NotFound naming the kinds."""
    ways = (_document, _line, _share, _usage, _allocation)
    for way in ways if asked.source is None else (_usage,):
        try:
            return way(connection, asked)
        except NotFound as error:
            if error.code == "line_not_found":
                raise
    raise NotFound(
        "nothing_to_explain",
        f"there is no document, line, allocation or usage {asked.given[:80]!r}; give a document's number, a line as "
        "NUMBER/POSITION, an allocation's id, or the id that usage has at its source",
    )


def _document(connection: Connection, asked: _Asked) -> _Explained:
    held = issuing.find(connection, asked.given)
    (view,) = invoices.views(connection, [held], with_annex=False)
    lines = explaining.lines(connection, [held])
    return _Explained(
        {"kind": "document", "number": view.number, "lines": lines},
        lambda: explanations.show_document(view, lines, asked.most),
    )


def _line(connection: Connection, asked: _Asked) -> _Explained:
    named = _LINE.fullmatch(asked.given)
    if named is None:
        raise NotFound("line_not_named", f"{asked.given!r} names no line")
    held, position = issuing.find(connection, named["document"]), int(named["position"])
    line = explaining.line(connection, held, position)
    allocations = explaining.allocations(connection, held, position, 0, asked.most + 1)
    records = line_usage.records(connection, held, position, Trail(), asked.most + 1)
    return _Explained(
        {
            "kind": "line", "line": line, "allocations": allocations[:asked.most], "usage": records[:asked.most],
            "has_more_allocations": len(allocations) > asked.most, "has_more_usage": len(records) > asked.most,
        },
        lambda: explanations.show_line(line, allocations, records, asked.most),
    )  # fmt: skip


def _share(connection: Connection, asked: _Asked) -> _Explained:
    name = ShareName.parse(asked.given)
    records = shares.usage_of(connection, name, Place(), asked.most + 1)
    return _Explained(
        {"kind": "share", "share": name, "usage": records[:asked.most], "has_more_usage": len(records) > asked.most},
        lambda: explanations.show_share(name, records, asked.most),
    )  # fmt: skip


def _usage(connection: Connection, asked: _Asked) -> _Explained:
    found = bearers.bearers(connection, bearers.find(connection, asked.given, asked.source))
    return _Explained(
        {"kind": "usage", **showing.plain(found)},
        lambda: explanations.show_usage(found, asked.most),
    )


def _allocation(connection: Connection, asked: _Asked) -> _Explained:
    found = (
        explaining.allocation(connection, int(asked.given))
        if _NUMBER.fullmatch(asked.given)
        else None
    )
    if found is None:
        raise NotFound("allocation_not_found", f"there is no allocation {asked.given!r}")
    return _Explained(
        {"kind": "allocation", "allocation": found}, lambda: explanations.show_allocation(found)
    )
