"""Work that waits for the ledger runs in a few threads, so that the event loop never does."""

from collections.abc import Callable
from typing import Final, TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")
# Each may hold two connections; the pool has fifteen, and the writer one of them.
MOST_THREADS: Final = 7


def bound_threads() -> None:
    """Have this event loop run at most so many requests at once in threads."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = MOST_THREADS


async def in_thread(work: Callable[[], T]) -> T:
    """The result of `work`, run in one of them."""
    return await anyio.to_thread.run_sync(work)
