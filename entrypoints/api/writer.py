"""The one writer of a process: posts that arrive together are booked together.

Owns what waits, and the thread that writes it. A request waits until its post is committed; with 32 clients that is
one commit for up to 32 posts. Where a batch fails as a whole, each post is tried alone and gets its own answer.
"""

import asyncio
import logging
import queue
import threading
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
    """Books posts in a thread of its own, for the event loop it was made in.

    Posts are gathered in the event loop, which hands a whole batch over: two threads that took turns for each post
    would spend more on their turns than on the posts.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Waiting] = []
        self._wanted = 1
        self._timer: asyncio.TimerHandle | None = None
        self._is_free = asyncio.Event()
        self._is_free.set()
        self._batches: queue.SimpleQueue[Sequence[_Waiting] | None] = queue.SimpleQueue()
        self._source: Pushed | None = None
        self._months: set[tuple[int, int]] = set()
        self._appeared: set[Payer] = set()
        self._thread = threading.Thread(target=self._run, name="usage-writer", daemon=True)
        self._thread.start()

    async def book(self, post: Posted) -> Booked:
        """What became of the post, once it is committed. Raises Refused, or Unavailable."""
        if len(self._waiting) >= MOST_WAITING:
            raise Unavailable(
                "too_busy", f"{MOST_WAITING} posts wait to be written; send this one again soon"
            )
        answer: asyncio.Future[Booked] = self._loop.create_future()
        self._waiting.append(_Waiting(post, answer))
        self._gather()
        return await answer

    async def close(self) -> None:
        """Write what waits, then end the thread."""
        while self._waiting or not self._is_free.is_set():
            self._hand_over()
            await self._is_free.wait()
        self._batches.put(None)
        await asyncio.to_thread(self._thread.join)

    def _gather(self) -> None:
        """Hand over what waits as soon as there are as many as wanted, or nobody came for a while.

        Where the batch before had several posts, more are waited for; one who posts alone never waits.
        """
        if not self._is_free.is_set():
            return
        if len(self._waiting) >= self._wanted:
            self._hand_over()
        elif self._timer is None:
            self._timer = self._loop.call_later(LINGER_SECONDS, self._hand_over)

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and self._is_free.is_set():
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            self._is_free.clear()
            self._batches.put(batch)

    def _tell(self, answers: Sequence[tuple[_Waiting, Booked | Exception]]) -> None:
        """Answer those of a batch, and go on with who came meanwhile."""
        for waiting, found in answers:
            if waiting.answer.done():
                continue  # whoever asked went away
            if isinstance(found, Exception):
                waiting.answer.set_exception(found)
            else:
                waiting.answer.set_result(found)
        self._wanted = len(answers) + len(answers) // 2
        self._is_free.set()
        if self._waiting:
            self._gather()

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            found = self._write([one.post for one in batch])
            self._loop.call_soon_threadsafe(self._tell, list(zip(batch, found, strict=True)))

    def _write(self, posts: Sequence[Posted]) -> Sequence[Booked | Exception]:
        try:
            return self.write(posts, clock.now())
        except Exception as error:  # noqa: BLE001 - each post is answered what befell it
            return [error] if len(posts) == 1 else [self._write([one])[0] for one in posts]

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
