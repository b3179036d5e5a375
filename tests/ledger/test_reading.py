import os
import signal
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import ClassVar
from zoneinfo import ZoneInfo

import psutil
import pytest

from chargeback.errors import Invalid, Unavailable
from chargeback.ledger import chunks as chunking
from chargeback.ledger import reading
from chargeback.ledger.chunks import Chunk
from chargeback.ledger.reading import (
    MOST_READERS,
    Order,
    _prepared,
    read_ahead,
    read_snapshot_ahead,
)
from chargeback.ledger.snapshot_rows import is_news, scope_number
from chargeback.sources import delivery, open_source
from chargeback.sources.contract import Contract, Refusal, Role, Scope, Usage, Window
from chargeback.sources.pricing import Pricing
from chargeback.sources.source_config import SourceConfig

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "focus_sample_1000.csv"
PRICING = Pricing("USD", "USD", ZoneInfo("UTC"))
HEADER = (
    "Call ID,Timestamp,Provider,Model,Agent ID,Prompt Tokens,Completion Tokens,"
    "Total Tokens,Cost (USD),Operation Type\n"
)


def order(path: Path, batch_records: int = 100) -> Order:
    source = open_source("cost_tracker", {"path": str(path), "form": "csv"})
    return Order("tracker", source, Window(None, None), ZoneInfo("UTC"), batch_records, PRICING)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "usage.csv"
    rows = (f"call-{n},2026-10-01T00:00:00Z,p,m,a,1,1,2,0.5,query\n" for n in range(250))
    path.write_text(HEADER + "".join(rows))
    return path


@pytest.fixture
def in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LARGE_BYTES", 0)


def shown(chunk: Chunk) -> tuple[object, ...]:
    return chunk.size, chunk.rows, dict(chunk.tallies), chunk.months, chunk.positions


def batches(asked: Order) -> list[tuple[int, int]]:
    """How large each chunk is, and which batch it goes to."""
    return [(one.size, one.batch_no) for one in _prepared(asked) if isinstance(one, Chunk)]


def reading_children() -> list[psutil.Process]:
    """The processes that read for this one."""
    return [
        child
        for child in psutil.Process().children()
        if "chargeback.ledger.reading" in child.cmdline()
    ]


def test_a_process_of_its_own_reads_what_a_thread_reads(
    export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_thread = [shown(chunk) for chunk in read_ahead(order(export))]
    monkeypatch.setattr(delivery, "LARGE_BYTES", 0)
    assert [shown(chunk) for chunk in read_ahead(order(export))] == by_thread
    assert [size for size, *_ in by_thread] == [100, 100, 50]


def test_only_of_a_large_file_several_chunks_make_a_batch(
    export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunking, "FIRST_RECORDS", 40)
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 80)
    assert batches(order(export, 200)) == [
        (40, 1), (80, 2), (80, 3), (50, 4)
    ]  # fmt: skip
    monkeypatch.setattr(delivery, "LARGE_BYTES", 0)
    assert batches(order(export, 200)) == [
        (40, 1), (80, 1), (130, 2)
    ]  # fmt: skip


def test_a_file_that_cannot_be_read_is_refused_in_the_same_words(
    tmp_path: Path, in_a_process: None
) -> None:
    path = tmp_path / "usage.csv"
    path.write_text("Call ID,Cost\n")
    with pytest.raises(Invalid, match="lacks the column 'Timestamp'"):
        list(read_ahead(order(path)))


def test_a_killed_reader_is_told_so_and_a_retry_reads_on(export: Path, in_a_process: None) -> None:
    reading = read_ahead(order(export, 1))
    next(reading)
    (child,) = reading_children()
    child.send_signal(signal.SIGKILL)
    with pytest.raises(Unavailable, match="The process that read tracker ended with status -9"):
        list(reading)
    assert len(list(read_ahead(order(export)))) == 3


def test_a_reader_nobody_listens_to_is_gone(export: Path, in_a_process: None) -> None:
    reading = read_ahead(order(export, 1))
    next(reading)
    (child,) = reading_children()
    reading.close()
    assert not child.is_running()


def snapshot_order(rows: int, known: tuple[int, ...] = ()) -> Order:
    source = open_source("focus", {"path": str(SAMPLE)})
    return Order("cloud", source, Window(None, None), ZoneInfo("UTC"), rows, PRICING, known)


def test_two_processes_stage_a_snapshot_as_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def staged() -> tuple[list[tuple[object, ...]], dict[int, Scope]]:
        chunks = list(read_snapshot_ahead(snapshot_order(150)))
        scopes: dict[int, Scope] = {}
        for chunk in chunks:
            scopes |= chunk.scopes
        return [(one.size, one.rows, one.known, one.refusals) for one in chunks], scopes

    alone = staged()
    monkeypatch.setattr(delivery, "LARGE_BYTES", 0)
    assert staged() == alone
    assert [size for size, *_ in alone[0]] == [150] * 6 + [100]


def test_nothing_of_a_snapshot_is_whole_where_one_of_its_readers_was_killed(
    in_a_process: None,
) -> None:
    reading = read_snapshot_ahead(snapshot_order(10))
    next(reading)
    children = reading_children()
    assert len(children) == min(MOST_READERS, os.cpu_count() or 1)
    children[-1].send_signal(signal.SIGKILL)
    with pytest.raises(Unavailable, match="The process that read cloud ended with status -9"):
        list(reading)
    assert not [child for child in children if child.is_running()]


def test_a_scope_is_one_in_every_process_and_ends_when_its_latest_row_says() -> None:
    short, long = Scope(date(2026, 10, 1), date(2026, 10, 20), "a"), date(2026, 11, 1)
    number, scopes = scope_number(short), dict[int, Scope]()
    assert number == scope_number(short._replace(end=long)) == 3140505506446566345
    assert number != scope_number(short._replace(account="b"))
    assert is_news(scopes, number, short)
    assert is_news(scopes, number, short._replace(end=long))
    assert not is_news(scopes, number, short)
    assert scopes == {number: short._replace(end=long)}
    with pytest.raises(AssertionError, match="have one number"):
        is_news(scopes, number, short._replace(account="b"))


class Faulty:
    """A source with a bug in it."""

    kind: ClassVar[str] = "faulty"
    contract: ClassVar[Contract] = "events"
    roles: ClassVar[tuple[Role, ...]] = ("allocate",)
    config_class: ClassVar[type[SourceConfig]] = SourceConfig
    is_large = True

    def plan(self, window: Window) -> Window:
        return window

    def read(self, window: Window) -> Iterator[Usage | Refusal]:
        raise KeyError("total", window)


def test_a_bug_while_reading_is_no_refusal() -> None:
    faulty = Order("tracker", Faulty(), Window(None, None), ZoneInfo("UTC"), 1, PRICING)
    with pytest.raises(RuntimeError, match="KeyError"):
        list(read_ahead(faulty))
