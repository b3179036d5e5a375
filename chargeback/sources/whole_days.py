"""Sources that tell what a whole UTC day cost: which days are read, and again how often."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from chargeback.clock import now
from chargeback.sources.contract import Window

_DAY = timedelta(days=1)


def whole_days(window: Window, since: date, restated_days: int) -> Window:
    """The days to read for a window: complete ones, from `since` on, those restated until now included.

    A day that is not over would be another cost at every look.
    """
    first = _midnight(since)
    start = first if window.start is None else _midnight(window.start.astimezone(UTC).date())
    end = _midnight((window.end or now()).astimezone(UTC).date())
    return Window(max(first, start - restated_days * _DAY), end)


def days_of(window: Window, days: int) -> Iterator[tuple[datetime, datetime]]:
    """The window's days, at most so many at a time."""
    start, end = window.start, window.end
    assert start is not None, "planned by `whole_days`"
    assert end is not None, "planned by `whole_days`"
    while start < end:
        stop = min(end, start + days * _DAY)
        yield start, stop
        start = stop


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
