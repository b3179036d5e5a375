"""The one writer of a process: posts that arrive together are booked together.

Owns the booking of a batch. A request waits until its post is committed; with 32 clients that is one commit for up
to 32 posts. Where a batch fails as a whole, each post is tried alone and gets its own answer.
"""

from collections.abc import Sequence
from datetime import datetime

from chargeback import clock
from chargeback.errors import ChargebackError
from chargeback.ledger import posting, usage
from chargeback.ledger.database import transaction
from chargeback.ledger.posting import Booked, Pushed
from chargeback.payer import Payer
from chargeback.posted_usage import Posted
from entrypoints.api.gathering import Gathering

MOST_REMEMBERED = 100_000


class Writer:
    """Books posts, a batch at a time, in a thread beside the event loop."""

    def __init__(self) -> None:
        self._gathering: Gathering[Posted, Booked] = Gathering(self._write)
        self._source: Pushed | None = None
        self._months: set[tuple[int, int]] = set()
        self._appeared: set[Payer] = set()

    async def book(self, post: Posted) -> Booked:
        """What became of the post, once it is committed. Raises Refused, or Unavailable."""
        return await self._gathering.ask(post)

    async def close(self) -> None:
        """Write what waits."""
        await self._gathering.finish()

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
