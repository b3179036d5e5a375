"""Periods: the whole days that something covers, half-open.

Owns what people may write for a period, and what it then covers. Days and instants are `days`,
offered here too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from chargeback.days import as_written, day_of, first_instant, parse_day, parse_instant
from chargeback.errors import Invalid
from chargeback.quoting import quoted

__all__ = ["ONE_DAY", "Period", "day_of", "first_instant", "parse_day", "parse_instant"]

ONE_DAY = timedelta(days=1)
_LAST_SECOND = time(23, 59, 59)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MONTH = re.compile(r"(\d{4})-(\d\d)", re.ASCII)
_RANGE = re.compile(r"\s*/\s*|\s+to\s+")


@dataclass(frozen=True, order=True)
class Period:
    """Whole days from `start` up to, and without, `end`."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise Invalid(
                "period_invalid",
                f"The period from {self.start} ends on {self.end - ONE_DAY}, before it starts; "
                f"give a last day of {self.start} or later.",
            )

    @classmethod
    def month(cls, text: str) -> Self:
        """The calendar month that `text` writes as YYYY-MM."""
        match = _MONTH.fullmatch(text)
        if match is None or not 1 <= int(match[2]) <= 12:
            raise Invalid("period_invalid", f"{quoted(text)} is no month; write it like '2026-10'.")
        return cls.month_of(parse_day(f"{text}-01"))

    @classmethod
    def month_of(cls, day: date) -> Self:
        """The calendar month that contains `day`."""
        return cls(day.replace(day=1), _months_later(day, 1))

    @classmethod
    def parse(cls, text: str) -> Self:
        """A month, a date, or two of them with `/` or ` to ` between; what ends it is included.

        >>> Period.parse("2026-10-01/2026-10-10").label
        '2026-10-01 to 2026-10-10'
        """
        parts = _RANGE.split(text.strip())
        if len(parts) > 2:
            raise _no_period(text)
        first, last = cls._named(parts[0], text), cls._named(parts[-1], text)
        if last.end <= first.start:
            raise _ends_before_it_starts(parts[0], parts[-1])
        return cls(first.start, last.end)

    @classmethod
    def _named(cls, part: str, text: str) -> Self:
        if _DAY.fullmatch(part):
            day = parse_day(part)
            return cls(day, day + ONE_DAY)
        if _MONTH.fullmatch(part):
            return cls.month(part)
        raise _no_period(text)

    @classmethod
    def between(cls, start: str, end: str, zone: ZoneInfo) -> tuple[Self, bool]:
        """The whole days of `zone` from `start` to `end`, and whether they had to be widened.

        A bare date, or a time of 00:00:00 or 23:59:59(.x), names its date as written, whatever the
        offset; an end named so is included. Any other time is the instant it is, and the period
        grows to the whole days around it.
        """
        first, last = bound(start, zone), bound(end, zone)
        backwards = first.instant and last.instant and last.instant <= first.instant
        end_day = last.day if last.is_day_start else last.day + ONE_DAY
        if backwards or end_day <= first.day:
            raise _ends_before_it_starts(start, end)
        return cls(first.day, end_day), not (
            (first.is_named or first.is_day_start) and (last.is_named or last.is_day_edge)
        )

    @property
    def last_day(self) -> date:
        """The last day that belongs to the period."""
        return self.end - ONE_DAY

    @property
    def label(self) -> str:
        """What people call it: '2026-10', '2026-10-31' or '2026-10-01 to 2026-10-10'."""
        if self == Period.month_of(self.start):
            return f"{self.start:%Y-%m}"
        if self.last_day == self.start:
            return self.start.isoformat()
        return f"{self.start} to {self.last_day}"

    def __str__(self) -> str:
        return self.label

    def days(self) -> Iterator[date]:
        """Each day of the period, in order."""
        for number in range((self.end - self.start).days):
            yield self.start + timedelta(days=number)

    def contains(self, day: date) -> bool:
        """Whether `day` is one of its days."""
        return self.start <= day < self.end

    def instants(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Its first instant and the first one after it, in UTC."""
        return first_instant(self.start, zone), first_instant(self.end, zone)

    def previous(self) -> "Period":
        """The period of the same kind before it: as many months, else as many days."""
        if self.start.day == self.end.day == 1:
            months = (self.end.year - self.start.year) * 12 + self.end.month - self.start.month
            return Period(_months_later(self.start, -months), self.start)
        return Period(self.start - (self.end - self.start), self.start)


class Bound(NamedTuple):
    """What one end of a period says: a named day, or an instant and the day it falls in."""

    day: date
    instant: datetime | None = None
    is_day_start: bool = False
    is_day_edge: bool = False

    @property
    def is_named(self) -> bool:
        return self.instant is None


def bound(text: str, zone: ZoneInfo) -> Bound:
    """What one end of a period, as people write it, says."""
    if _DAY.fullmatch(text):
        return Bound(parse_day(text))
    written = as_written(text)
    if written.time() == time.min or written.time() >= _LAST_SECOND:
        return Bound(written.date())
    instant = written.astimezone(UTC)
    day = day_of(instant, zone)
    is_day_start = instant == first_instant(day, zone)
    is_last_second = instant + timedelta(seconds=1) >= first_instant(day + ONE_DAY, zone)
    return Bound(day, instant, is_day_start, is_day_start or is_last_second)


def _months_later(day: date, months: int) -> date:
    """The first of the month `months` after that of `day`."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _ends_before_it_starts(start: str, end: str) -> Invalid:
    return Invalid(
        "period_invalid",
        f"The period starts at {quoted(start)} and ends at {quoted(end)}, which is not after it; "
        "give an end after the start.",
    )


def _no_period(text: str) -> Invalid:
    return Invalid(
        "period_invalid",
        f"{quoted(text)} is no period; write a month like '2026-10', a date, "
        "or two dates like '2026-10-01/2026-10-10'.",
    )
