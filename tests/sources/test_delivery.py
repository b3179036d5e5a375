"""A file is read whole, unchanged and in bounded memory, or the reason is named."""

import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chargeback.errors import Invalid, NotFound, Unavailable
from chargeback.sources import open_source
from chargeback.sources.contract import Refusal, Source, Usage
from tests.sources.conftest import ALWAYS, SAMPLE, ReadFile
from tests.sources.fake_tracker import HEADER, Body, body_of

ROW = "c1,2026-10-08T09:02:44Z,anthropic,claude,agent,1,2,3,0.000100,query"


def make_csv(*rows: str) -> bytes:
    return "\r\n".join([HEADER, *rows, ""]).encode()


@pytest.mark.parametrize("body", ["object", "string", "list", "csv"])
def test_a_byte_order_mark_changes_nothing(
    sample: list[dict[str, Any]], read_file: ReadFile, body: Body
) -> None:
    content, form = body_of(sample, body), "csv" if body == "csv" else "json"
    assert read_file(b"\xef\xbb\xbf" + content, form) == read_file(content, form)


def test_lines_that_end_in_cr_alone_are_read(
    sample: list[dict[str, Any]], read_file: ReadFile
) -> None:
    content = body_of(sample, "csv")
    assert read_file(content.replace(b"\r\n", b"\r"), "csv") == read_file(content, "csv")


def test_short_and_long_rows_are_refused_and_good_ones_go_in(read_file: ReadFile) -> None:
    short, usage, long = read_file(
        make_csv("c0,2026-10-08T09:02:44Z,anth", ROW, f"{ROW},what Ms Jones earns"), "csv"
    )
    assert isinstance(short, Refusal)
    assert (short.position, short.code, short.external_id) == (2, "row_short", "c0")
    assert short.reason == "The row has 3 cells where the header has 10; mend its commas."
    assert isinstance(usage, Usage)
    assert isinstance(long, Refusal)
    assert (long.position, long.code, long.usage_at) == (4, "row_long", None)
    assert "Jones" not in str(long)


@pytest.mark.parametrize("field", [b"caf\xe9", b"a\0b"])
def test_a_byte_that_is_no_utf_8_and_nul_spoil_only_their_row(
    read_file: ReadFile, field: bytes
) -> None:
    content = make_csv(ROW.replace("agent", "XX"), ROW).replace(b"XX", field)
    spoilt, usage = read_file(content, "csv")
    assert isinstance(spoilt, Refusal)
    assert (spoilt.position, spoilt.code) == (2, "agent_id_invalid")
    assert isinstance(usage, Usage)
    json.dumps([spoilt.reason, spoilt.row], ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (make_csv(ROW).decode().encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (make_csv(ROW).decode().encode("utf-16-le"), "is not UTF-8 text"),
        (b"\x1f\x8b\x08\x00", r"is compressed \(gzip\); unpack it first"),
        (b"PK\x03\x04\x14", r"is compressed \(zip\); unpack it first"),
        (b"", "is empty; export it again"),
    ],
)
@pytest.mark.parametrize("form", ["json", "csv"])
def test_what_is_no_text_is_refused(
    read_file: ReadFile, content: bytes, fault: str, form: str
) -> None:
    with pytest.raises(Invalid, match=fault):
        read_file(content, form)


@pytest.mark.parametrize("end", [b"", b"}"])
def test_a_file_that_grows_while_it_is_read_is_read_again_later(
    sample: list[dict[str, Any]], file_source: Callable[..., Source], tmp_path: Path, end: bytes
) -> None:
    rows = file_source(body_of(sample, "object")).read(ALWAYS)
    next(rows)
    with (tmp_path / "export.json").open("ab") as file:
        file.write(end or b" ")
    with pytest.raises(Unavailable, match=r"changed while it was read; sync again\.$"):
        list(rows)


def test_a_file_that_is_replaced_or_removed_while_it_is_read_is_read_again_later(
    sample: list[dict[str, Any]], file_source: Callable[..., Source], tmp_path: Path
) -> None:
    path = tmp_path / "export.json"
    rows = file_source(body_of(sample, "object")).read(ALWAYS)
    next(rows)
    twin = tmp_path / "twin.json"
    twin.write_bytes(path.read_bytes())
    stat = path.stat()
    os.utime(twin, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    twin.replace(path)
    with pytest.raises(Unavailable, match="changed"):
        list(rows)
    rows = file_source(body_of(sample, "object")).read(ALWAYS)
    next(rows)
    path.unlink()
    with pytest.raises(Unavailable, match="changed"):
        list(rows)


def test_a_reader_who_stops_early_is_no_fault(
    sample: list[dict[str, Any]], file_source: Callable[..., Source]
) -> None:
    rows = file_source(body_of(sample, "object")).read(ALWAYS)
    assert isinstance(rows, Iterator)
    next(rows)
    del rows


def test_a_missing_file_says_where_to_put_it() -> None:
    source = open_source("cost_tracker", {"path": "no/such.json", "form": "json"})
    with pytest.raises(NotFound, match=r"no/such\.json is not there; put the export there"):
        list(source.read(ALWAYS))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    source = open_source("cost_tracker", {"path": str(tmp_path), "form": "json"})
    with pytest.raises(Invalid, match="cannot be opened"):
        list(source.read(ALWAYS))


@pytest.mark.parametrize(
    ("body", "records"), [("object", 40_000), ("string", 30_000), ("csv", 150_000)]
)
def test_ten_megabytes_and_more_are_read_in_a_few(tmp_path: Path, body: Body, records: int) -> None:
    path = tmp_path / "large"
    write_large(path, body, records)
    assert path.stat().st_size > 10_000_000
    form = "csv" if body == "csv" else "json"
    source = open_source("cost_tracker", {"path": str(path), "form": form})
    tracemalloc.start()
    try:
        count = sum(isinstance(found, Usage) for found in source.read(ALWAYS))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == records
    assert peak_bytes < 8_000_000


def write_large(path: Path, body: Body, records: int) -> None:
    """A delivery of so many calls, written piece by piece."""
    template = json.loads(SAMPLE.read_text())["records"][0]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(
            {"csv": HEADER + "\r\n", "string": r'"{\"records\": ['}.get(body, '{"records": [')
        )
        for number in range(records):
            call_id = f"call-{number}"
            if body == "csv":
                file.write(ROW.replace("c1", call_id) + "\r\n")
                continue
            record = ("," if number else "") + json.dumps({**template, "call_id": call_id})
            file.write(json.dumps(record)[1:-1] if body == "string" else record)
        file.write({"csv": "", "string": ']}"'}.get(body, "]}"))
