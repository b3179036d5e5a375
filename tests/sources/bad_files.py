"""The catalogue of bad files: what a file holds, and what becomes of it.

The numbers are those of the catalogue in `tests/scenarios/bad_input.yaml`. A file is refused whole (`code` and words
that the sentence has to have), or its good row `good` is booked and the others are refused, each at its place and
with its code, or all of it is right.
"""

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from tests.sources.fake_tracker import HEADER

SECRET = "hunter2-canary"
TRACKER: dict[str, Any] = {"kind": "cost_tracker", "form": "csv", "token_env": None}
LINES: dict[str, Any] = {
    "kind": "mapped_file", "form": "json_lines", "fixed": {"resource_type": "storage", "unit": "GB"},
    "columns": {"external_id": "id", "usage_at": "at", "cost": "cost", "team_id": "team"},
}  # fmt: skip
TABLE = LINES | {"form": "csv"}
GOOD = {"id": "good", "at": "2026-10-05T12:00:00Z", "cost": "1.25", "team": "search"}


class BadFile(NamedTuple):
    """One file: its number in the catalogue, what is wrong with it, how it is read, its bytes, and the answer."""

    number: int
    what: str
    config: dict[str, Any]
    content: bytes
    code: str = ""
    says: str = ""
    refused: tuple[tuple[int, str], ...] = ()
    booked: dict[str, Any] | None = None


def call(
    call_id: str = "good", cost: str = "1.25", at: str = "2026-10-05T12:00:00Z", agent: str = "a"
) -> str:
    return f"{call_id},{at},anthropic,claude,{agent},1,2,3,{cost},query"


def calls(*rows: str, header: str = HEADER, end: str = "\r\n") -> bytes:
    return end.join([header, *rows, ""]).encode("utf-8", "surrogatepass")


def table(*rows: str, header: str = "id,at,cost,team") -> bytes:
    return "\n".join([header, ",".join(GOOD.values()), *rows, ""]).encode()


def lines(*rows: Any) -> bytes:
    texts = [row if isinstance(row, str) else json.dumps(row) for row in (GOOD, *rows)]
    return "\n".join([*texts, ""]).encode()


def cell(cost: str) -> str:
    """A row of the table that is right but for its cost."""
    return f'bad,2026-10-05T12:00:00Z,"{cost}",search'


def csv_files() -> Iterator[BadFile]:
    """What a CSV file holds."""
    yield BadFile(133, "nothing", TRACKER, b"", "delivery_empty", "export it again")
    yield BadFile(134, "a header alone", TRACKER, calls(), booked={})
    yield BadFile(135, "a column is missing", TRACKER, calls(call(), header=HEADER.replace(",Cost (USD)", "")),
                  "delivery_invalid", "lacks the column 'Cost (USD)'")  # fmt: skip
    yield BadFile(136, "a column twice", TRACKER, calls(call() + ",7", header=f"{HEADER},Model"),
                  "delivery_invalid", "names the column 'Model' twice")  # fmt: skip
    yield BadFile(137, "a column without a name", TRACKER, calls(f"7,{call()}", header=f",{HEADER}"),
                  "delivery_invalid", "a column without a name, number 1")  # fmt: skip
    yield BadFile(
        138,
        "a row too short",
        TRACKER,
        calls(call(), "c1,2026-10-05T12:00:00Z"),
        refused=((3, "row_short"),),
    )
    yield BadFile(
        139,
        "a row too long",
        TRACKER,
        calls(call(), f"{call('c1')},{SECRET}"),
        refused=((3, "row_long"),),
    )
    yield BadFile(
        140,
        "a quote without end",
        TRACKER,
        calls(call(), f'"{call("c1")}'),
        "delivery_invalid",
        "at line 3",
    )
    yield BadFile(141, "Latin-1", TRACKER, calls(call(), call("c1", agent="XX")).replace(b"XX", b"caf\xe9"),
                  refused=((3, "agent_id_invalid"),))  # fmt: skip
    yield BadFile(
        142,
        "UTF-16",
        TRACKER,
        calls(call()).decode().encode("utf-16"),
        "delivery_encoding",
        "save it as UTF-8",
    )
    yield BadFile(
        143,
        "a NUL byte",
        TRACKER,
        calls(call(), call("c1", agent="a\0b")),
        refused=((3, "agent_id_invalid"),),
    )
    yield BadFile(144, "a byte order mark", TRACKER, b"\xef\xbb\xbf" + calls(call()))
    yield BadFile(145, "lines that end in CR", TRACKER, calls(call(), end="\r"))
    for number, cost in ((146, "1,234.50"), (147, "$5"), (148, "(5.00)")):
        yield BadFile(
            number, f"a cost of {cost}", TABLE, table(cell(cost)), refused=((3, "cost_invalid"),)
        )
    yield BadFile(
        149, "a cost of 1e5", TABLE, table(cell("1e5")), booked={"cost": Decimal(100_000)}
    )
    yield BadFile(
        150,
        "a team called NA",
        TABLE,
        table("bad,2026-10-05T12:00:00Z,1,NA"),
        booked={"team_id": "NA"},
    )
    yield BadFile(
        151,
        "a team called 001",
        TABLE,
        table("bad,2026-10-05T12:00:00Z,1,001"),
        booked={"team_id": "001"},
    )
    yield BadFile(
        152,
        "a date with slashes",
        TABLE,
        table("bad,01/02/2026,1,search"),
        refused=((3, "usage_at_invalid"),),
    )
    yield BadFile(
        153,
        "a formula",
        TABLE,
        table("bad,2026-10-05T12:00:00Z,1,=1+1"),
        booked={"team_id": "=1+1"},
    )
    yield BadFile(
        157,
        "packed by gzip",
        TRACKER,
        gzip.compress(calls(call())),
        "delivery_encoding",
        "unpack it first",
    )
    yield BadFile(
        157,
        "packed by zip",
        TABLE,
        b"PK\x03\x04" + bytes(40),
        "delivery_encoding",
        "unpack it first",
    )


def line_files() -> Iterator[BadFile]:
    """What JSON lines hold."""
    yield BadFile(158, "a line that is no JSON", LINES, lines("{broken", "[7]", "7", '"x"'), refused=(
        (2, "record_invalid"), (3, "record_invalid"), (4, "record_invalid"), (5, "record_invalid")))  # fmt: skip
    yield BadFile(158, "a NaN", LINES, lines('{"id": "b", "at": "2026-10-05T12:00:00Z", "cost": NaN}'),
                  refused=((2, "cost_invalid"),))  # fmt: skip
    yield BadFile(
        158,
        "half a character",
        LINES,
        lines(GOOD | {"id": "b", "team": "\ud800"}),
        refused=((2, "team_id_invalid"),),
    )
    yield BadFile(
        158,
        "a cost that is true",
        LINES,
        lines(GOOD | {"id": "b", "cost": True}),
        refused=((2, "cost_invalid"),),
    )
    yield BadFile(
        158, "lists a thousand deep", LINES, lines("[" * 100_000), refused=((2, "record_invalid"),)
    )
    yield BadFile(158, "a name of 10,000 characters", LINES, lines(GOOD | {"id": "b", "team": "x" * 10_000}),
                  refused=((2, "team_id_invalid"),))  # fmt: skip
    yield BadFile(
        159,
        "a list where lines belong",
        LINES,
        json.dumps([GOOD]).encode(),
        refused=((1, "record_invalid"),),
    )
    yield BadFile(159, "lines where a list belongs", TRACKER | {"form": "json"}, b'{"call_id": 1}\n{"call_id": 2}',
                  "delivery_invalid", "export")  # fmt: skip
    yield BadFile(
        160,
        "a last line that is cut",
        LINES,
        lines('{"id": "b", "at": "2026-'),
        refused=((2, "record_invalid"),),
    )
    yield BadFile(
        160,
        "a list that is cut",
        TRACKER | {"form": "json"},
        b'{"records": [{"call_id": "x"',
        "delivery_invalid",
        "export it again",
    )
