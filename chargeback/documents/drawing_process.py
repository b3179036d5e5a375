"""A process that draws documents for another one: orders come in on its input, files go out.

Owns both ends of that pipe. It is started anew and not forked, for a fork of a process with threads
(Prefect has some) can hang; and not by `multiprocessing`, which first runs the parent's main module
again, Prefect and all.
"""

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from chargeback.documents.letterhead import Letterhead
from chargeback.views import InvoiceView

Order = tuple[InvoiceView, Letterhead]
DrawAll = Callable[[list[Order]], list[bytes]]

_ROOT = Path(__file__).resolve().parents[2]
# Pickle reads only what this program wrote, from a pipe nobody else holds.
_FAILURES = (OSError, EOFError, pickle.UnpicklingError)


class DrawingProcess:
    """One child that draws; where it dies, its parent draws in its place."""

    def __init__(self, instead: DrawAll) -> None:
        self._instead = instead
        self._child = subprocess.Popen(
            [sys.executable, "-m", "chargeback.documents.invoice_pdf"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
        )

    def draw_all(self, orders: list[Order]) -> list[bytes]:
        """The documents of `orders`, in their order."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            pickle.dump(orders, self._child.stdin, pickle.HIGHEST_PROTOCOL)
            self._child.stdin.flush()
            drawn: list[bytes] = pickle.load(self._child.stdout)  # noqa: S301
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
