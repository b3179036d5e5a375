"""A stretch of time that usage is summed over to the instant: whole days, and part-days at its ends.

Periods that are allocated or billed are whole days; see `periods`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from chargeback.errors import Invalid
from chargeback.periods import ONE_DAY, Bound, Period, bound, first_instant
from chargeback.quoting import quoted


class PartDay(NamedTuple):
    """The instants `start <= at < end` of one day."""

    day: date
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Stretch:
    """Whole days (none: None), the part-days around them, and both ends as an answer writes them."""

    whole: Period | None
    parts: tuple[PartDay, ...]
    start: str
    end: str

    @classmethod
    def of(cls, period: Period) -> Self:
        """The stretch that is exactly these days."""
        return cls(period, (), start_of(period), end_of(period))

    @classmethod
    def between(cls, start: str, end: str, zone: ZoneInfo) -> Self:
        """From `start` to `end`: a date, 00:00:00 and 23:59:59(.x) name whole days, any other time its instant.

        Raises Invalid for an end that is not after the start.
        """
        Period.between(start, end, zone)
        first, last = bound(start, zone), bound(end, zone)
        begins, ends = _begins(first, zone), _ends(last, zone)
        if ends <= begins:
            raise Invalid(
                "period_invalid",
                f"The period from {quoted(start)} to {quoted(end)} is empty; give an end after the start.",
            )
        first_whole = first.day if begins == first_instant(first.day, zone) else first.day + ONE_DAY
        after_last = _after_last(last)
        parts = []
        if first_whole > first.day:
            stop = min(ends, first_instant(first_whole, zone))
            parts.append(PartDay(first.day, begins, stop))
        if ends > (opens := first_instant(after_last, zone)) and after_last >= first_whole:
            parts.append(PartDay(after_last, opens, ends))
        whole = Period(first_whole, after_last) if first_whole < after_last else None
        return cls(whole, tuple(parts), _written(first), _written(last, is_end=True))


def start_of(period: Period) -> str:
    """A period's first instant as an answer writes it; reading it back names the same day."""
    return f"{period.start}T00:00:00Z"


def end_of(period: Period) -> str:
    """A period's last second as an answer writes it; reading it back includes its day."""
    return f"{period.last_day}T23:59:59Z"


def _begins(first: Bound, zone: ZoneInfo) -> datetime:
    return first.instant or first_instant(first.day, zone)


def _ends(last: Bound, zone: ZoneInfo) -> datetime:
    if last.instant is None or (last.is_day_edge and not last.is_day_start):
        return first_instant(last.day + ONE_DAY, zone)
    return last.instant


def _after_last(last: Bound) -> date:
    """The day after the last whole one."""
    is_whole = last.instant is None or (last.is_day_edge and not last.is_day_start)
    return last.day + ONE_DAY if is_whole else last.day


def _written(one: Bound, is_end: bool = False) -> str:
    if one.instant is not None:
        return f"{one.instant:%Y-%m-%dT%H:%M:%S}" + (
            f".{one.instant:%f}Z" if one.instant.microsecond else "Z"
        )
    return f"{one.day}T{'23:59:59' if is_end else '00:00:00'}Z"
