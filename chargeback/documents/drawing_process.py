"""Processes that draw documents for another one: orders come in on their input, files go out.

Owns both ends of that pipe, and how orders are shared out. A child is started anew and not forked, for a fork of a
process with threads (Prefect has some) can hang; and not by `multiprocessing`, which first runs the parent's main
module again, Prefect and all.
"""

import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import chain, islice
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

# What is drawn is the business of the module that draws: whatever can be sent through a pipe.
DrawAll = Callable[[list[Any]], list[Any]]

# Starting a process costs as much as drawing some hundred documents.
WORTH_PROCESSES = 300
_CHUNK = 20
_CHUNKS_IN_MEMORY = 60
_CHUNKS_PER_PROCESS = 2
_ROOT = Path(__file__).resolve().parents[2]
# Pickle reads only what this program wrote, from a pipe nobody else holds.
_FAILURES = (OSError, EOFError, pickle.UnpicklingError)


class DrawingProcess:
    """One child that draws as `module` does; where it dies, its parent draws in its place."""

    def __init__(self, module: str, instead: DrawAll) -> None:
        self._instead = instead
        self._child = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
        )

    def draw_all(self, orders: list[Any]) -> list[Any]:
        """The documents of `orders`, in their order."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            pickle.dump(orders, self._child.stdin, pickle.HIGHEST_PROTOCOL)
            self._child.stdin.flush()
            drawn: list[Any] = pickle.load(self._child.stdout)  # noqa: S301
        except _FAILURES:
            return self._instead(orders)
        return drawn

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pipe in (self._child.stdin, self._child.stdout):
            with suppress(OSError):
                if pipe:
                    pipe.close()
        self._child.wait()


def serve(draw_all: DrawAll) -> None:
    """Be the child: draw what comes in until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer.
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    with suppress(EOFError, BrokenPipeError):
        while True:
            drawn = draw_all(pickle.load(incoming))  # noqa: S301
            pickle.dump(drawn, outgoing, pickle.HIGHEST_PROTOCOL)
            outgoing.flush()


def draw_many(
    orders: Iterable[Any], processes: int, module: str, draw_all: DrawAll
) -> Iterator[Any]:
    """What is drawn of `orders`, in their order; a large number is drawn by `processes` at once.

    This process is one of them; the others run `module`, which serves `draw_all`. A bounded number of documents waits
    in memory, however long `orders`.
    """
    remaining = iter(orders)
    first = list(islice(remaining, WORTH_PROCESSES))
    together = chain(first, remaining)
    if processes < 2 or len(first) < WORTH_PROCESSES:
        return (drawn for order in together for drawn in draw_all([order]))
    return _drawn_by_processes(together, processes - 1, module, draw_all)


def _drawn_by_processes(
    orders: Iterator[Any], children: int, module: str, draw_all: DrawAll
) -> Iterator[Any]:
    """Give each child a few chunks and draw the others here, so that no core waits."""
    with ExitStack() as stack:
        free: SimpleQueue[DrawingProcess] = SimpleQueue()
        for _ in range(children):
            free.put(stack.enter_context(DrawingProcess(module, draw_all)))
        threads = stack.enter_context(ThreadPoolExecutor(children))
        waiting: deque[Future[list[Any]]] = deque()
        stack.callback(lambda: [chunk.cancel() for chunk in waiting])
        while chunk := list(islice(orders, _CHUNK)):
            busy = sum(not given.done() for given in waiting)
            if busy < children * _CHUNKS_PER_PROCESS:
                waiting.append(threads.submit(_by_a_child, free, chunk))
            else:
                waiting.append(_drawn_here(draw_all, chunk))
            while waiting and (waiting[0].done() or len(waiting) > _CHUNKS_IN_MEMORY):
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _by_a_child(free: SimpleQueue[DrawingProcess], chunk: list[Any]) -> list[Any]:
    child = free.get()
    try:
        return child.draw_all(chunk)
    finally:
        free.put(child)


def _drawn_here(draw_all: DrawAll, chunk: list[Any]) -> Future[list[Any]]:
    drawn: Future[list[Any]] = Future()
    drawn.set_result(draw_all(chunk))
    return drawn
