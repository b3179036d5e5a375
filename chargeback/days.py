"""Days and instants: which calendar date an instant falls on, where a day begins.

Owns the reading of every date and time that people and cost trackers write. Instants are UTC and
`datetime`, days are `date`. Knows no clock.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from chargeback.errors import Invalid
from chargeback.quoting import quoted

FIRST_YEAR, LAST_YEAR = 1970, 2199
_LARGEST_OFFSET = timedelta(hours=14)
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_INSTANT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[Tt ](?P<hour>\d\d):(?P<minute>\d\d)"
    r"(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    r" ?(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)


def parse_day(text: str) -> date:
    """The calendar date that `text` writes as YYYY-MM-DD. Raises Invalid (`day_invalid`)."""
    match = _DAY.fullmatch(text)
    if match is None:
        raise Invalid("day_invalid", f"{quoted(text)} is no date; write it like '2026-10-31'.")
    try:
        day = date(*map(int, match.groups()))
    except ValueError:
        raise Invalid(
            "day_invalid", f"{quoted(text)} is not in the calendar; write a date like '2026-10-31'."
        ) from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise Invalid(
            "day_invalid",
            f"{quoted(text)} is outside the years {FIRST_YEAR} to {LAST_YEAR}; correct the year.",
        )
    return day


def parse_instant(text: str) -> datetime:
    """The instant that `text` writes, in UTC; without an offset the time is UTC.

    Digits beyond the microsecond are cut, never rounded: 23:59:59.9999999 is still that day.
    Raises Invalid (`timestamp_invalid`) for 24:00:00, leap seconds, words and names of zones.
    """
    return as_written(text).astimezone(UTC)


def as_written(text: str) -> datetime:
    """The date and time of day as they stand in `text`, with their offset (UTC where none is)."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise Invalid(
            "timestamp_invalid",
            f"{quoted(text)} is no date and time; "
            "write it like '2026-10-31T18:30:00Z' or with an offset like +02:00.",
        )
    if match["offset"] == "Z" and (found := _plain(text)) is not None:
        return found
    try:
        clock = time(
            int(match["hour"]),
            int(match["minute"]),
            int(match["second"] or 0),
            int((match["fraction"] or "")[:6].ljust(6, "0")),
        )
    except ValueError:
        raise Invalid(
            "timestamp_invalid",
            f"{quoted(text)} has no time of day from 00:00:00 to 23:59:59; "
            "write midnight as 00:00:00 of the day it begins.",
        ) from None
    return datetime.combine(parse_day(match["day"]), clock, _offset(match["offset"], text))


def _plain(text: str) -> datetime | None:
    """The usual way to write an instant, read in a quarter of the time; None for what has to be looked at closely."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    # Later versions of Python read 24:00:00 as the day after.
    is_as_written = found.hour == int(text[11:13])
    return found if is_as_written and FIRST_YEAR <= found.year <= LAST_YEAR else None


def _offset(written: str | None, text: str) -> timezone:
    if written is None:
        return UTC
    # Z has no digits and is +00:00.
    digits = written[1:].replace(":", "").ljust(4, "0")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if size > _LARGEST_OFFSET or int(digits[2:]) > 59:
        raise Invalid(
            "timestamp_invalid",
            f"{quoted(text)} has the offset {written}; write one from -14:00 to +14:00.",
        )
    return timezone(-size if written[0] == "-" else size)


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    """The date that the calendar on the wall in `zone` shows at `instant`."""
    if instant.tzinfo is None:
        raise AssertionError(f"{instant} is naive, so it is no instant")
    return instant.astimezone(zone).date()


def first_instant(day: date, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, at which the calendar in `zone` shows `day`.

    Of a midnight that exists twice it is the first; where midnight is skipped it is the moment the
    clock jumps; a day the zone skipped altogether begins, empty, where the next one begins.
    """
    midnight = datetime.combine(day, time.min)
    by_old_offset = midnight.replace(tzinfo=zone).astimezone(UTC)
    if by_old_offset.astimezone(zone).replace(tzinfo=None) == midnight:
        return by_old_offset
    by_new_offset = midnight.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _jump_between(by_new_offset, by_old_offset, day, zone)


def _jump_between(before: datetime, after: datetime, day: date, zone: ZoneInfo) -> datetime:
    """The second at which the clock jumps to `day` or past it, found by halving."""
    low, high = 0, int((after - before).total_seconds())
    while low < high:
        middle = (low + high) // 2
        if day_of(before + timedelta(seconds=middle), zone) >= day:
            high = middle
        else:
            low = middle + 1
    return before + timedelta(seconds=high)
