"""Processes that draw documents beside this one: orders come in on their input, what was drawn goes out.

Owns both ends of that pipe, and how orders are shared out. A child is started anew and not forked, for a fork of a
process with threads (Prefect has some) can hang; and not by `multiprocessing`, which first runs the parent's main
module again, Prefect and all.
"""

import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from types import TracebackType
from typing import Any, Self, TypeVar

# What an order is and what is made of it is the business of who draws; neither is None.
Draw = Callable[[Any], Any]
Item = TypeVar("Item")

# Starting a process costs as much as drawing some hundred documents.
WORTH_PROCESSES = 300
# Fewer read together cost more to read than there is to win.
LEAST_TOGETHER = 50
_WAITING_PER_PROCESS = 4
_ROOT = Path(__file__).resolve().parents[2]
# Pickle reads only what this program wrote, from a pipe nobody else holds.
_FAILURES = (OSError, EOFError, pickle.UnpicklingError)


class DrawingProcess:
    """One child that draws as `there` does; where it fails or dies, its parent draws in its place."""

    def __init__(self, there: Draw, instead: Draw) -> None:
        self._there, self._instead = there, instead
        self._is_told = False
        self._child = subprocess.Popen(
            [sys.executable, "-m", "chargeback.documents.drawing_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
        )

    def __call__(self, order: Any) -> Any:
        """What is drawn of the order."""
        assert self._child.stdout is not None
        drawn = None
        with suppress(*_FAILURES):
            if not self._is_told:
                self._is_told = True
                self._send(self._there)
            self._send(order)
            drawn = pickle.load(self._child.stdout)  # noqa: S301
        return self._instead(order) if drawn is None else drawn

    def _send(self, what: Any) -> None:
        assert self._child.stdin is not None
        pickle.dump(what, self._child.stdin, pickle.HIGHEST_PROTOCOL)
        self._child.stdin.flush()

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


def serve() -> None:
    """Be the child: draw what comes in until the parent closes the pipe. None is what could not be drawn here."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer.
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    with suppress(EOFError, BrokenPipeError):
        draw: Draw = pickle.load(incoming)  # noqa: S301
        while True:
            order, drawn = pickle.load(incoming), None  # noqa: S301
            with suppress(Exception):  # The parent meets the same error, and says it.
                drawn = draw(order)
            pickle.dump(drawn, outgoing, pickle.HIGHEST_PROTOCOL)
            outgoing.flush()


def worth(documents: int, processes: int = 0) -> int:
    """By how many processes so many documents are drawn: one where they are few, else as many as asked or cores."""
    return 1 if documents < WORTH_PROCESSES else processes or os.cpu_count() or 1


def cut(whole: Sequence[Item], most: int, processes: int = 1) -> Iterator[Sequence[Item]]:
    """Parts of at most `most`; for several processes the last ones are smaller, so that none waits long for another."""
    at = 0
    while at < len(whole):
        rest = len(whole) - at
        size = rest if processes < 2 else max(LEAST_TOGETHER, rest // (2 * processes))
        yield whole[at : at + min(size, most)]
        at += min(size, most)


def draw_many(
    orders: Iterable[Any], processes: int, here: Draw, there: Draw | None = None
) -> Generator[Any, None, None]:
    """What `here` makes of each order, in their order, by so many processes at once: this one and children.

    Children draw as `there` does (None: as `here`), which is sent to them. A bounded number of orders and of what was
    drawn waits in memory, however many there are. Raises what `here` raises.
    """
    if processes < 2:
        return (here(order) for order in orders)
    return _drawn_by_processes(orders, processes - 1, here, there or here)


def _drawn_by_processes(
    orders: Iterable[Any], children: int, here: Draw, there: Draw
) -> Generator[Any, None, None]:
    """Whoever is free takes the next order; one at a time is drawn in this process."""
    turn = Lock()

    def in_turn(order: Any) -> Any:
        with turn:
            return here(order)

    with ExitStack() as stack:
        free: SimpleQueue[Draw] = SimpleQueue()
        for _ in range(children):
            free.put(stack.enter_context(DrawingProcess(there, in_turn)))
        free.put(in_turn)
        threads = stack.enter_context(ThreadPoolExecutor(children + 1, "drawing"))
        waiting: deque[Future[Any]] = deque()
        stack.callback(lambda: [order.cancel() for order in waiting])
        for order in orders:
            waiting.append(threads.submit(_by_the_next, free, order))
            while waiting and (
                waiting[0].done() or len(waiting) > _WAITING_PER_PROCESS * (children + 1)
            ):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _by_the_next(free: SimpleQueue[Draw], order: Any) -> Any:
    draw = free.get()
    try:
        return draw(order)
    finally:
        free.put(draw)


if __name__ == "__main__":
    serve()
    # All is written; to take the program apart would take longer than to draw fifty pages.
    os._exit(0)
