"""Sources that tell what a whole UTC day cost: which days are read, and again how often."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from chargeback.clock import now
from chargeback.sources.contract import Window
from chargeback.sources.usage_facts import FactsSource

_DAY = timedelta(days=1)


def days_of(window: Window, days: int) -> Iterator[tuple[datetime, datetime]]:
    """The window's days, at most so many at a time."""
    start, end = window.start, window.end
    assert start is not None, "planned by `WholeDaySource`"
    assert end is not None, "planned by `WholeDaySource`"
    while start < end:
        stop = min(end, start + days * _DAY)
        yield start, stop
        start = stop


class WholeDaySource(FactsSource):
    """What sources that tell what whole days cost have in common."""

    def __init__(self, since: date, restated_days: int) -> None:
        self._since = since
        self._restated_days = restated_days

    def plan(self, window: Window) -> Window:
        """The days to read for a window: complete ones, from `since` on, those restated until now included.

        A day that is not over would be another cost at every look.
        """
        first = _midnight(self._since)
        start = first if window.start is None else _midnight(window.start.astimezone(UTC).date())
        end = _midnight((window.end or now()).astimezone(UTC).date())
        return Window(max(first, start - self._restated_days * _DAY), end)

    @property
    def is_large(self) -> bool:
        """A few days at a time are never so much."""
        return False


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
