"""Reading ahead: a delivery becomes chunks while the one before is loaded.

Owns where that is done: beside the loading in a thread, or for a large file in a process of its own,
for two threads of one Python take turns, and the loading then waits for the reading at every step.
A large delivery of snapshots is read by two, for all of it is read before anything of it is booked.
A process is started anew and asks nothing of its parent but the order, like the one that draws.
"""

import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from chargeback.errors import ChargebackError, Unavailable
from chargeback.ledger.chunks import CHUNK_RECORDS, Chunk, chunks
from chargeback.ledger.snapshot_rows import SnapshotChunk, rows_at_once, snapshot_chunks
from chargeback.sources.contract import Readable, ReadInShares, SnapshotSource, Window
from chargeback.sources.pricing import Pricing, Seen, priced

# Each keeps 100 to 200 MB; a third would be too much beside the 500 MB that a sync is promised to need.
MOST_READERS = 2
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Order:
    """What is to be read: `window` of `source`, called `name`, for batches of at most `batch_records` rows, and
    how what is read is priced.

    `known` are the fingerprints of rows of snapshots that need not be read again, sorted.
    """

    name: str
    source: Readable
    window: Window
    zone: ZoneInfo
    batch_records: int
    pricing: Pricing
    known: Sequence[int] = ()


def read_ahead(order: Order) -> Generator[Chunk, None, None]:
    """The chunks of a delivery of events, the next one being read while the caller loads this one.

    Raises what reading raises; Unavailable where the reading process was killed.
    """
    yield from _ahead(order)


def read_snapshot_ahead(order: Order) -> Generator[SnapshotChunk, None, None]:
    """The same for a delivery of snapshots."""
    yield from _ahead(order)


def _ahead(order: Order) -> Generator[Any, None, None]:
    prepared = _from_processes(order) if order.source.is_large else _prepared(order)
    with closing(prepared), ThreadPoolExecutor(1, "reader") as reader:
        upcoming = reader.submit(next, prepared, None)
        while (chunk := upcoming.result()) is not None:
            upcoming = reader.submit(next, prepared, None)
            yield chunk


def _prepared(order: Order) -> Generator[Chunk | SnapshotChunk, None, None]:
    if isinstance(order.source, SnapshotSource):
        scoped = order.source.read_scopes(order.window, order.known)
        yield from snapshot_chunks(scoped, order.batch_records, order.pricing)
        return
    seen = Seen()
    rows = priced(order.source.read(order.window), order.pricing, seen)
    # Only a file is read so fast that a transaction may wait for the reading of many chunks.
    most = order.batch_records if order.source.is_large else min(order.batch_records, CHUNK_RECORDS)
    for chunk in chunks(rows, order.name, order.zone, most):
        chunk.free, chunk.repriced = seen.free, seen.repriced
        seen.free = seen.repriced = 0
        yield chunk


def _from_processes(order: Order) -> Generator[Chunk | SnapshotChunk, None, None]:
    """The chunks that children prepare, in the order of the delivery, of which they make one block each in turn.

    They end when their orders are read, or when nobody listens any more.
    """
    with ExitStack() as started:
        orders = _shared(order)
        children = [started.enter_context(_child()) for _ in orders]
        for child, share in zip(children, orders, strict=True):
            _ask(child, share)
        readers = [_answers(child, order.name) for child in children]
        for reader in cycle(readers):
            if (chunk := next(reader, None)) is None:
                break
            yield chunk
        # Where one has no more, none has; but each looks once more whether it read what still lies there.
        rest = [chunk for reader in readers for chunk in reader]
        assert not rest, "readers disagree on the end"


def _shared(order: Order) -> list[Order]:
    """The order for each process that is to read some of it."""
    if not isinstance(order.source, ReadInShares):
        return [order]
    readers = min(MOST_READERS, os.cpu_count() or 1)
    shares = order.source.shares(readers, rows_at_once(order.batch_records))
    return [replace(order, source=share) for share in shares]


@contextmanager
def _child() -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "chargeback.ledger.reading"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def _ask(child: "subprocess.Popen[bytes]", order: Order) -> None:
    assert child.stdin is not None
    with suppress(BrokenPipeError), child.stdin:
        pickle.dump(order, child.stdin)


def _answers(
    child: "subprocess.Popen[bytes]", name: str
) -> Generator[Chunk | SnapshotChunk, None, None]:
    assert child.stdout is not None
    try:
        # Pickle reads only what this program wrote, from a pipe nobody else holds.
        while (found := pickle.load(child.stdout)) is not None:  # noqa: S301
            if isinstance(found, Exception):
                raise found
            yield found
    except (EOFError, pickle.UnpicklingError):
        raise Unavailable(
            "reader_died",
            f"The process that read {name} ended with status {child.wait()} before it was done; "
            "what it had read is booked: sync again.",
        ) from None


def _serve() -> None:
    """Be the child: read one order, write its chunks, and None behind the last or the error in its place."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # A parent that was killed reads no more.
    outgoing, sys.stdout = sys.stdout.buffer, sys.stderr
    found: Chunk | SnapshotChunk | Exception | None = None
    try:
        for found in _prepared(pickle.load(sys.stdin.buffer)):  # noqa: S301
            pickle.dump(found, outgoing, pickle.HIGHEST_PROTOCOL)
            outgoing.flush()
            found.rows = b""  # The next chunk is prepared while this one is still named.
        found = None
    except ChargebackError as refused:
        found = refused
    except Exception:  # noqa: BLE001 - a bug is told to the parent, which fails by it
        found = RuntimeError(traceback.format_exc())
    pickle.dump(found, outgoing)
    outgoing.flush()


if __name__ == "__main__":
    _serve()
