"""Requests that come together are served together: one turn of a thread, one transaction, for all of them.

Owns who waits, and when their turn comes. What is done for them is the caller's. They are gathered in the event
loop, which hands a whole batch over: threads that took turns for each request would spend more on that than on it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from chargeback.errors import Unavailable

Asked = TypeVar("Asked")
Told = TypeVar("Told")

MOST_AT_ONCE: Final = 500
MOST_WAITING: Final = 10_000
# While others come too, a turn that waits this long for them saves turns of their own.
LINGER_SECONDS: Final = 0.003


class Gathering(Generic[Asked, Told]):
    """Batches of what is asked, answered by `work` in a thread, one batch at a time.

    `work` gives each its answer, or the error that befell it; what it raises befalls all. Where the batch before had
    several, others are waited for, for LINGER_SECONDS at most; who comes alone never waits.
    """

    def __init__(self, work: Callable[[Sequence[Asked]], Sequence[Told | Exception]]) -> None:
        self._work = work
        self._waiting: list[tuple[Asked, asyncio.Future[Told]]] = []
        self._wanted = 1
        self._timer: asyncio.TimerHandle | None = None
        self._working: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> Told:
        """The answer to one. Raises what befell it, Unavailable where too many wait."""
        if len(self._waiting) >= MOST_WAITING:
            raise Unavailable(
                "too_busy", f"{MOST_WAITING} requests wait to be served; send this one again soon"
            )
        answer: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        self._gather()
        return await answer

    async def finish(self) -> None:
        """Wait until everybody is served."""
        while self._waiting or self._working is not None:
            self._hand_over()
            if self._working is not None:
                await self._working

    def _gather(self) -> None:
        """Hand over what waits as soon as there are as many as wanted, or nobody came for a while."""
        if self._working is not None:
            return
        if len(self._waiting) >= self._wanted:
            self._hand_over()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(LINGER_SECONDS, self._hand_over)

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and self._working is None:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            self._working = asyncio.create_task(self._serve(batch))

    async def _serve(self, batch: Sequence[tuple[Asked, "asyncio.Future[Told]"]]) -> None:
        found: Sequence[Told | Exception]
        try:
            found = await asyncio.to_thread(self._work, [asked for asked, _ in batch])
        except Exception as error:  # noqa: BLE001 - every waiting request has to hear of it
            found = [error] * len(batch)
        for (_, answer), one in zip(batch, found, strict=True):
            if answer.done():
                continue  # whoever asked went away
            if isinstance(one, Exception):
                answer.set_exception(one)
            else:
                answer.set_result(one)
        self._wanted, self._working = len(batch) + len(self._waiting), None
        if self._waiting:
            self._gather()
