"""Reading a cost tracker into the ledger, batch by batch.

Owns the order, also for what is pushed: read ahead (`reading`), load, move the cursor with the last batch.
Killed anywhere, what was committed stays, the cursor stays behind it, and the next sync finds the rows held.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

from chargeback import money
from chargeback.ledger import drift, intake, ledger_settings, usage, usage_sources
from chargeback.ledger.batches import BatchCounts
from chargeback.ledger.chunks import Chunk
from chargeback.ledger.database import transaction
from chargeback.ledger.reading import Order, read_ahead
from chargeback.ledger.snapshot_settling import ScopeCounts
from chargeback.ledger.snapshot_sync import sync_snapshot
from chargeback.periods import Period, first_instant
from chargeback.settings import settings
from chargeback.sources import no_block, open_source
from chargeback.sources.contract import Readable, Window
from models.enums import ZeroCost


@dataclass(frozen=True)
class SyncCounts:
    """What a sync received and what became of it, in rows and cost (`received_raw` as sent, `new_cost` as booked).

    `reversed` are rows that a snapshot no longer has; `waiting` are rows of snapshots that a person has to
    decide on. `free` rows have tokens and cost nothing at their source; our own rates priced `repriced` of them.
    `drift` are the days on which the source says another total than we hold; `doubts` say what somebody should look at.
    """

    source: str
    batches: int = 0
    received: int = 0
    new: int = 0
    unchanged: int = 0
    changed: int = 0
    quarantined: int = 0
    received_raw: Decimal = Decimal(0)
    new_cost: Decimal = Decimal(0)
    reversed: int = 0
    waiting: int = 0
    free: int = 0
    repriced: int = 0
    drift: tuple[dict[str, Any], ...] = ()
    doubts: tuple[str, ...] = ()

    def plus(self, batch: BatchCounts) -> "SyncCounts":
        """These counts with one more batch."""
        return replace(self._plus(batch), changed=self.changed + batch.changed)

    def plus_scope(self, scope: ScopeCounts) -> "SyncCounts":
        """These counts with one more scope of a snapshot."""
        return replace(
            self._plus(scope),
            reversed=self.reversed + scope.reversed,
            waiting=self.waiting + scope.waiting,
        )

    def _plus(self, part: BatchCounts | ScopeCounts) -> "SyncCounts":
        return replace(
            self,
            batches=self.batches + 1,
            received=self.received + part.received,
            new=self.new + part.new,
            unchanged=self.unchanged + part.unchanged,
            quarantined=self.quarantined + part.quarantined,
            received_raw=money.EXACT.add(self.received_raw, part.received_raw),
            new_cost=money.EXACT.add(self.new_cost, part.new_cost),
        )


Say = Callable[[SyncCounts], None]


def window_of(period: Period) -> Window:
    """The instants of a period's days in the billing zone."""
    zone = settings().zone
    return Window(first_instant(period.start, zone), first_instant(period.end, zone))


def window_since(cursor_at: datetime | None, as_of: datetime) -> Window:
    """From the cursor, less the look-back for what arrives late, up to `as_of`."""
    lookback = timedelta(hours=settings().lookback_hours)
    return Window(None if cursor_at is None else cursor_at - lookback, as_of)


def sync(
    name: str,
    as_of: datetime,
    window: Window | None = None,
    say: Say | None = None,
    block: Callable[[str], str] = no_block,
) -> SyncCounts:
    """Load what the source has in `window`; without one, what came since its cursor up to `as_of`.

    The source plans what it reads for that (a file is read whole). `say` hears the counts so far, chunk by
    chunk as they are read; `block` opens the Prefect Secret block of a name.
    Rerun: rows already held are counted unchanged and nothing else happens.
    """
    with transaction() as connection:
        ledger_settings.fix(connection)
        source = usage_sources.find(connection, name)
        tracker = open_source(source.kind, source.config, block)
        pricing = intake.pricing_of(connection, source, tracker)
    asked = window or window_since(source.cursor_at, as_of)
    planned = tracker.plan(asked)
    read_to = min(asked.end or as_of, as_of).astimezone(UTC)
    is_joined = asked.start is None or _joins_on(planned, source.cursor_at)
    order = Order(name, tracker, planned, settings().zone, settings().batch_records, pricing)
    told = drift.Told()
    cursor_at = read_to if is_joined else None
    if tracker.contract == "snapshots":
        return _settle(order, source, _delivery(asked), cursor_at, say)
    counts = _load(order, source.source_id, _delivery(asked), cursor_at, say, told)
    with transaction() as connection:
        days = drift.keep(connection, source.source_id, told, planned, settings().zone)
        apart = drift.drifts(connection, days, name) if days else ()
    return replace(
        counts,
        drift=tuple(one.as_json() for one in apart),
        doubts=_doubts(counts, source.zero_cost, apart),
    )


def _settle(
    order: Order,
    source: usage_sources.KeptSource,
    delivery: str,
    cursor_at: datetime | None,
    say: Say | None,
) -> SyncCounts:
    """Settle a delivery of snapshots scope by scope; the cursor moves behind the last one."""
    counts = SyncCounts(source.name)
    # Files are known by their name; what was asked of them makes no difference.
    for scope in sync_snapshot(order, source, str(source.config.get("path") or delivery)):
        counts = counts.plus_scope(scope)
        if say:
            say(counts)
    if cursor_at is not None:
        with transaction() as connection:
            usage.move_cursor(connection, source.source_id, cursor_at)
    return counts


def take(name: str, batch: Readable, delivery: str, say: Say | None = None) -> SyncCounts:
    """Load a batch that was pushed to a source; `delivery` says in words what brought it.

    Rerun: rows already held are counted unchanged and nothing else happens.
    """
    with transaction() as connection:
        ledger_settings.fix(connection)
        source = usage_sources.find(connection, name)
        tracker = open_source(source.kind, source.config)
        pricing = intake.pricing_of(connection, source, tracker)
    order = Order(
        name, batch, Window(None, None), settings().zone, settings().batch_records, pricing
    )
    counts = _load(order, source.source_id, delivery, None, say, drift.Told())
    return replace(counts, doubts=_doubts(counts, source.zero_cost, ()))


def _load(
    order: Order,
    source_id: int,
    delivery: str,
    cursor_at: datetime | None,
    say: Say | None,
    told: drift.Told,
) -> SyncCounts:
    heard, first_batch_id = _Heard(SyncCounts(order.name), told, say), None
    with closing(read_ahead(order)) as read:
        for _, chunks in groupby(read, attrgetter("batch_no")):
            first = next(chunks)
            with transaction() as connection:
                usage.ensure_partitions(connection, first.months)
            with transaction() as connection:
                parts = heard.each(chain([first], chunks))  # noqa: B031 - each chunk is taken once
                batch = usage.load(
                    connection, source_id, delivery, parts, cursor_at, first_batch_id
                )
            first_batch_id = first_batch_id or batch.batch_id
            heard.counts = heard.counts.plus(batch)
    if not heard.is_last and cursor_at is not None:
        # Nothing came, or nothing came after a batch that was full.
        with transaction() as connection:
            usage.move_cursor(connection, source_id, cursor_at)
    return heard.counts


@dataclass
class _Heard:
    """What a delivery said so far: `counts` of what is booked, and whether its last chunk came."""

    counts: SyncCounts
    told: drift.Told
    say: Say | None
    is_last: bool = False

    def each(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """The chunks of one batch, each heard before it is booked and told of when it is."""
        read = self.counts.received
        for chunk in chunks:
            self.told.hear(chunk)
            yield chunk
            chunk.rows = b""  # The next one is read while this one is still named.
            read, self.is_last = read + chunk.size, chunk.is_last
            free, repriced = self.counts.free + chunk.free, self.counts.repriced + chunk.repriced
            self.counts = replace(self.counts, free=free, repriced=repriced)
            if self.say:
                self.say(replace(self.counts, received=read))


def _doubts(
    counts: SyncCounts, decided: ZeroCost | None, apart: Iterable[drift.Drift]
) -> tuple[str, ...]:
    """What somebody should look at: usage that is free because nobody decided, and gaps."""
    said = [one.sentence for one in apart if one.is_gap]
    if counts.free and decided is None:
        said.append(
            f"{counts.free} rows of {counts.source} have tokens and cost nothing; decide what becomes of such rows "
            f"with `chargeback sources zero-cost {counts.source}`"
        )
    return tuple(said)


def _joins_on(planned: Window, cursor_at: datetime | None) -> bool:
    """Whether nothing lies unread before the window: else the cursor would move over what nobody read."""
    return planned.start is None or (cursor_at is not None and planned.start <= cursor_at)


def _delivery(window: Window) -> str:
    start = window.start.isoformat() if window.start else "the beginning"
    return f"{start} to {window.end.isoformat() if window.end else 'now'}"
