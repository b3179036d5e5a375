"""Reading a cost tracker into the ledger, batch by batch.

Owns the order: read ahead (`reading`), load, move the cursor with the last batch.
Killed anywhere, what was committed stays, the cursor stays behind it, and the next sync finds the rows held.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from chargeback import money
from chargeback.ledger import ledger_settings, usage, usage_sources
from chargeback.ledger.database import transaction
from chargeback.ledger.reading import Order, read_ahead
from chargeback.periods import Period, first_instant
from chargeback.settings import settings
from chargeback.sources import open_source
from chargeback.sources.contract import Window


@dataclass(frozen=True)
class SyncCounts:
    """What a sync received and what became of it, in rows and cost (`received_raw` as sent, `new_cost` as booked)."""

    source: str
    batches: int = 0
    received: int = 0
    new: int = 0
    unchanged: int = 0
    changed: int = 0
    quarantined: int = 0
    received_raw: Decimal = Decimal(0)
    new_cost: Decimal = Decimal(0)

    def plus(self, batch: usage.BatchCounts) -> "SyncCounts":
        """These counts with one more batch."""
        return SyncCounts(
            self.source,
            self.batches + 1,
            self.received + batch.received,
            self.new + batch.new,
            self.unchanged + batch.unchanged,
            self.changed + batch.changed,
            self.quarantined + batch.quarantined,
            money.EXACT.add(self.received_raw, batch.received_raw),
            money.EXACT.add(self.new_cost, batch.new_cost),
        )


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
    say: Callable[[SyncCounts], None] | None = None,
) -> SyncCounts:
    """Load what the source has in `window`; without one, what came since its cursor up to `as_of`.

    The source plans what it reads for that (a file is read whole). `say` hears the counts so far.
    Rerun: rows already held are counted unchanged and nothing else happens.
    """
    with transaction() as connection:
        ledger_settings.fix(connection)
        source = usage_sources.find(connection, name)
    tracker = open_source(source.kind, source.config)
    asked = window or window_since(source.cursor_at, as_of)
    planned = tracker.plan(asked)
    read_to = min(asked.end or as_of, as_of).astimezone(UTC)
    cursor_at = read_to if _joins_on(planned, source.cursor_at) else None
    order = Order(name, tracker, planned, settings().zone, settings().batch_records)
    counts, is_last, first_batch_id = SyncCounts(name), False, None
    for chunk in read_ahead(order):
        is_last = chunk.is_last
        with transaction() as connection:
            usage.ensure_partitions(connection, chunk.months)
        with transaction() as connection:
            moved_to = cursor_at if is_last else None
            batch = usage.load(
                connection, source.source_id, _delivery(asked), chunk, moved_to, first_batch_id
            )
        first_batch_id = first_batch_id or batch.batch_id
        counts = counts.plus(batch)
        if say:
            say(counts)
    if not is_last and cursor_at is not None:
        # Nothing came, or nothing came after a batch that was full.
        with transaction() as connection:
            usage.move_cursor(connection, source.source_id, cursor_at)
    return counts


def _joins_on(planned: Window, cursor_at: datetime | None) -> bool:
    """Whether nothing lies unread before the window: else the cursor would move over what nobody read."""
    return planned.start is None or (cursor_at is not None and planned.start <= cursor_at)


def _delivery(window: Window) -> str:
    start = window.start.isoformat() if window.start else "the beginning"
    return f"{start} to {window.end.isoformat() if window.end else 'now'}"
