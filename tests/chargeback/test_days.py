"""Days and instants: what people and trackers write, and where days begin in every zone."""

import io
import struct
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargeback.days import day_of, first_instant, parse_day, parse_instant
from chargeback.errors import Invalid

ZONES = sorted(available_timezones())
MICROSECOND = timedelta(microseconds=1)


def _utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-01-31T23:59:59Z", _utc(2024, 1, 31, 23, 59, 59)),
        ("2024-01-31t23:59:59z", _utc(2024, 1, 31, 23, 59, 59)),
        ("2024-01-31 23:59", _utc(2024, 1, 31, 23, 59)),
        ("2024-01-31T23:59:59", _utc(2024, 1, 31, 23, 59, 59)),
        ("2024-01-31T23:59:59+02:00", _utc(2024, 1, 31, 21, 59, 59)),
        ("2024-01-31T23:59:59-0530", _utc(2024, 2, 1, 5, 29, 59)),
        ("2024-01-31T23:59:59 +02", _utc(2024, 1, 31, 21, 59, 59)),
        ("2024-01-31T23:59:59.5Z", _utc(2024, 1, 31, 23, 59, 59, 500_000)),
        ("2024-01-31 23:59:59,123", _utc(2024, 1, 31, 23, 59, 59, 123_000)),
    ],
)
def test_an_instant_is_read_in_utc_and_naive_times_are_utc(text: str, instant: datetime) -> None:
    assert parse_instant(text) == instant
    assert parse_instant(text).tzinfo is UTC


@pytest.mark.parametrize("offset", ["Z", "z", "", "+00:00"])
def test_digits_beyond_the_microsecond_are_cut_so_the_day_stays(offset: str) -> None:
    last = _utc(2024, 1, 31, 23, 59, 59, 999_999)
    assert parse_instant(f"2024-01-31T23:59:59.9999999{offset}") == last


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("2024-01-31T24:00:00Z", "write midnight as 00:00:00"),
        ("2024-01-31T23:59:60Z", "from 00:00:00 to 23:59:59"),
        ("2024-01-31T23:60:00Z", "from 00:00:00 to 23:59:59"),
        ("infinity", "is no date and time"),
        ("now", "is no date and time"),
        ("", "is no date and time"),
        ("2024-01-31", "is no date and time"),
        ("1706745599", "is no date and time"),
        ("2024-01-31T10:00:00 IST", "with an offset like"),
        ("2024-01-31T10:00:00Z\n", "is no date and time"),
        ("٢٠٢٤-01-31T10:00:00Z", "is no date and time"),
        ("2024-01-31T10:00:00+14:01", r"has the offset \+14:01"),
        ("2024-01-31T10:00:00-02:60", "has the offset -02:60"),
        ("2024-02-30T10:00:00Z", "not in the calendar"),
        ("0001-01-01T00:00:00Z", "outside the years 1970 to 2199"),
        ("9999-12-31T23:59:59Z", "outside the years 1970 to 2199"),
    ],
)
def test_what_is_no_instant_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(Invalid, match=hint) as refused:
        parse_instant(text)
    assert refused.value.code in ("timestamp_invalid", "day_invalid")


def test_a_day_is_read() -> None:
    assert parse_day("2024-02-29") == date(2024, 2, 29)


@pytest.mark.parametrize(
    "text",
    ["", "2023-02-29", "2024-2-9", "20240209", "2024-02-09T00:00:00Z", "1969-12-31", "x" * 999],
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_day(text)
    assert refused.value.code == "day_invalid"
    assert len(str(refused.value)) < 150


@given(
    st.timedeltas(timedelta(days=1), timedelta(days=229 * 365)).map(lambda t: _utc(1970, 1, 1) + t),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timedelta(minutes=minutes)),
)
def test_instants_are_read_back(instant: datetime, offset: timedelta) -> None:
    sign, size = ("-", -offset) if offset < timedelta() else ("+", offset)
    hours, minutes = divmod(size // timedelta(minutes=1), 60)
    local = (instant + offset).replace(tzinfo=None).isoformat()
    assert parse_instant(f"{local}{sign}{hours:02}:{minutes:02}") == instant


def test_a_naive_time_has_no_day() -> None:
    with pytest.raises(AssertionError, match="is naive"):
        day_of(datetime(2024, 1, 31), ZoneInfo("UTC"))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("UTC", date(2026, 10, 1), _utc(2026, 10, 1)),
        ("America/New_York", date(2026, 10, 1), _utc(2026, 10, 1, 4)),
        ("America/New_York", date(2026, 12, 1), _utc(2026, 12, 1, 5)),
        ("Europe/Amsterdam", date(2026, 10, 1), _utc(2026, 9, 30, 22)),
        ("Asia/Kathmandu", date(2026, 10, 1), _utc(2026, 9, 30, 18, 15)),
        # Havana's clock jumps from 31 March 24:00 to 01:00: midnight does not exist.
        ("America/Havana", date(2012, 4, 1), _utc(2012, 4, 1, 5)),
        # St. John's goes back from 00:01 to 23:01: midnight exists twice, the first one counts.
        ("America/St_Johns", date(2009, 11, 1), _utc(2009, 11, 1, 2, 30)),
        # Toronto jumped from 23:30 to 00:30 in 1919: the jump lies before midnight.
        ("America/Toronto", date(1919, 3, 31), _utc(1919, 3, 31, 4, 30)),
        # Samoa had no 30 December 2011: the day is empty and the next begins where it would have.
        ("Pacific/Apia", date(2011, 12, 30), _utc(2011, 12, 30, 10)),
        ("Pacific/Apia", date(2011, 12, 31), _utc(2011, 12, 30, 10)),
    ],
)
def test_a_day_begins_at_its_first_instant(zone: str, day: date, begins: datetime) -> None:
    assert first_instant(day, ZoneInfo(zone)) == begins


def test_a_late_evening_in_new_york_is_the_next_day_in_amsterdam() -> None:
    evening = _utc(2026, 10, 1, 3, 59, 59)
    assert day_of(evening, ZoneInfo("America/New_York")) == date(2026, 9, 30)
    assert day_of(evening, ZoneInfo("Europe/Amsterdam")) == date(2026, 10, 1)


def test_months_of_every_zone_tile_thirty_years() -> None:
    months = [date(year, month, 1) for year in range(2000, 2031) for month in range(1, 13)]
    for zone in map(ZoneInfo, ZONES):
        begins = [first_instant(month, zone) for month in months]
        for month, instant in zip(months, begins, strict=True):
            assert day_of(instant, zone) == month
            assert day_of(instant - MICROSECOND, zone) < month
        hours = [(b - a).total_seconds() / 3600 for a, b in pairwise(begins)]
        assert min(hours) >= 671
        assert max(hours) <= 747


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(ZONES), st.timedeltas(timedelta(), timedelta(days=37 * 365)))
def test_each_instant_lies_in_the_day_that_begins_before_it(zone: str, since: timedelta) -> None:
    instant = _utc(2000, 1, 1) + since
    place = ZoneInfo(zone)
    day = day_of(instant, place)
    assert first_instant(day, place) <= instant
    if _clock_was_not_set_back_over_midnight(instant, place):
        assert instant < first_instant(day + timedelta(days=1), place)


def _clock_was_not_set_back_over_midnight(instant: datetime, zone: ZoneInfo) -> bool:
    """St. John's, until 2011: the minutes shown twice belong to the date on the wall."""
    return day_of(instant - timedelta(hours=2), zone) <= day_of(instant, zone)


@pytest.mark.parametrize("text", ["1970-01-01", "2199-12-31"])
def test_the_first_and_the_last_day_there_are(text: str) -> None:
    assert parse_day(text).isoformat() == text


def test_the_largest_offsets_are_read() -> None:
    assert parse_instant("2024-02-01T14:00:00+14:00") == _utc(2024, 2, 1)
    assert parse_instant("2024-01-31T23:59:00-00:59") == _utc(2024, 2, 1, 0, 58)


@pytest.mark.parametrize("jump", ["23:29:57", "23:29:58", "23:29:59", "23:30:00", "23:59:59"])
def test_a_clock_may_jump_over_midnight_at_any_second(jump: str) -> None:
    """An hour ahead, late on 30 March: the 31st begins where the clock jumps."""
    zone = zone_of(f"STD0DST,J89/{jump},J300/2")
    hour, minute, second = map(int, jump.split(":"))
    assert first_instant(date(2026, 3, 31), zone) == _utc(2026, 3, 30, hour, minute, second)


def zone_of(rule: str) -> ZoneInfo:
    """A zone that follows a POSIX rule and has no history, as a file of the zone database holds it (RFC 9636)."""
    block = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + bytes(6) + b"STD\0"
    return ZoneInfo.from_file(io.BytesIO(block * 2 + f"\n{rule}\n".encode()), key="Test/Zone")
