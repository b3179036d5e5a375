"""The one writer of a process: posts that arrive together are booked together.

Owns the queue and its thread. A request waits until its post is committed; with 32 clients that is one
commit for up to 32 posts. Where a batch fails as a whole, each post is tried alone and gets its own answer.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from chargeback import clock
from chargeback.errors import ChargebackError, Unavailable
from chargeback.ledger import posting, usage
from chargeback.ledger.database import transaction
from chargeback.ledger.posting import Booked, Pushed
from chargeback.payer import Payer
from chargeback.posted_usage import Posted

log = logging.getLogger("chargeback.api.writer")

MOST_AT_ONCE = 500
MOST_WAITING = 10_000
MOST_REMEMBERED = 100_000
# While others post too, a commit that waits this long for theirs saves them one of their own.
LINGER_SECONDS = 0.003


class _Waiting(NamedTuple):
    post: Posted
    answer: "asyncio.Future[Booked]"


class Writer:
    """Books posts in a thread of its own, for the event loop it was made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(MOST_WAITING)
        self._source: Pushed | None = None
        self._months: set[tuple[int, int]] = set()
        self._appeared: set[Payer] = set()
        self._thread = threading.Thread(target=self._run, name="usage-writer", daemon=True)
        self._thread.start()

    async def book(self, post: Posted) -> Booked:
        """What became of the post, once it is committed. Raises Refused, or Unavailable."""
        answer: asyncio.Future[Booked] = self._loop.create_future()
        try:
            self._queue.put_nowait(_Waiting(post, answer))
        except queue.Full:
            raise Unavailable(
                "too_busy", f"{MOST_WAITING} posts wait to be written; send this one again soon"
            ) from None
        return await answer

    async def close(self) -> None:
        """Write what waits, then end the thread."""
        await asyncio.to_thread(self._queue.put, None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        together, is_last = 1, False
        while not is_last and (first := self._queue.get()) is not None:
            waiting, is_last = self._gathered(first, together)
            self._write(waiting)
            together = len(waiting)

    def _gathered(self, first: _Waiting, together: int) -> tuple[list[_Waiting], bool]:
        """`first` and what comes with it, and whether the writer is told to end.

        Where the batch before had several posts (`together`), more are waited for; one who posts alone never waits.
        """
        waiting, wanted = [first], together + together // 2
        deadline = time.monotonic() + LINGER_SECONDS
        while len(waiting) < MOST_AT_ONCE:
            linger = deadline - time.monotonic() if len(waiting) < wanted else 0
            try:
                following = self._queue.get(linger > 0, max(linger, 0))
            except queue.Empty:
                break
            if following is None:
                return waiting, True
            waiting.append(following)
        return waiting, False

    def _write(self, waiting: Sequence[_Waiting]) -> None:
        found: Sequence[Booked | Exception]
        try:
            found = self.write([one.post for one in waiting], clock.now())
        except Exception as error:  # noqa: BLE001 - each post is answered what befell it
            found = [error] if len(waiting) == 1 else [self._alone(one.post) for one in waiting]
        self._loop.call_soon_threadsafe(_tell, list(zip(waiting, found, strict=True)))

    def _alone(self, post: Posted) -> Booked | Exception:
        try:
            return self.write([post], clock.now())[0]
        except Exception as error:  # noqa: BLE001 - as above
            return error

    def write(self, posts: Sequence[Posted], now: datetime) -> Sequence[Booked | ChargebackError]:
        """Book the posts in one transaction."""
        self._prepare(posts, now)
        assert self._source is not None, "the source was made with the first post"
        with transaction() as connection:
            found = posting.post(connection, self._source, posts, now, self._appeared)
        self._remember(found)
        return found

    def _remember(self, found: Sequence[Booked | ChargebackError]) -> None:
        """What is committed need not be looked for again: no payer ever disappears."""
        if len(self._appeared) > MOST_REMEMBERED:
            self._appeared.clear()
        for one in found:
            if isinstance(one, Booked) and one.is_new:
                self._appeared.update(posting.payers_of(one.held))

    def _prepare(self, posts: Sequence[Posted], now: datetime) -> None:
        """Make, and commit, what must be there first: the source and the months' partitions."""
        if self._source is None:
            with transaction() as connection:
                self._source = posting.pushed_source(connection)
        months = {((at := post.usage_at or now).year, at.month) for post in posts} - self._months
        if months:
            with transaction() as connection:
                usage.ensure_partitions(connection, months)
            self._months |= months


def _tell(answers: Sequence[tuple[_Waiting, Booked | Exception]]) -> None:
    for waiting, found in answers:
        if waiting.answer.done():
            continue  # whoever asked went away
        if isinstance(found, Exception):
            waiting.answer.set_exception(found)
        else:
            waiting.answer.set_result(found)
