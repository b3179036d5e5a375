"""Months in every time zone there is, from 2000 to 2030: they tile, and each instant lies in exactly one."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from chargeback.periods import Period, day_of, first_instant

Record = Callable[[str, object], None]
MICROSECOND = timedelta(microseconds=1)
MONTHS = [date(2000 + n // 12, n % 12 + 1, 1) for n in range(31 * 12 + 1)]
ZONES = sorted(available_timezones())
# Midnights that do not exist or exist twice, days that were skipped, offsets of 45 minutes, and the ends of the earth.
NOTORIOUS = (
    "America/Havana", "America/Sao_Paulo", "Asia/Beirut", "Asia/Amman", "Asia/Gaza", "Africa/Cairo", "Pacific/Apia",
    "Pacific/Kwajalein", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham", "America/Caracas",
    "Antarctica/Troll", "Antarctica/Casey", "Asia/Pyongyang", "Pacific/Kiritimati", "America/Scoresbysund", "UTC",
)  # fmt: skip
SAMPLE = sorted({*NOTORIOUS, *ZONES[::40]})


def check_months(zone: ZoneInfo) -> None:
    """Each month begins at the first instant at which its calendar shows it, and ends where the next begins."""
    starts = [first_instant(month, zone) for month in MONTHS]
    for month, start, end in zip(MONTHS, starts, starts[1:], strict=False):
        period = Period.month_of(month)
        assert period.instants(zone) == (start, end)
        # The wall's own calendar, asked of the zone directly.
        assert (
            start.astimezone(zone).date() >= month > (start - MICROSECOND).astimezone(zone).date()
        ), month
        assert timedelta(days=27) < end - start < timedelta(days=32), month
        middle = start + (end - start) / 2
        for instant in (start, middle, end - MICROSECOND):
            day = day_of(instant, zone)
            assert period.contains(day), (month, instant)
            assert (day.year, day.month) == (month.year, month.month)


def test_months_tile_in_the_zones_that_are_known_for_trouble_and_some_others(
    record_property: Record,
) -> None:
    for name in SAMPLE:
        check_months(ZoneInfo(name))
    record_property("proof", ("months of a time zone", len(SAMPLE) * (len(MONTHS) - 1)))


@pytest.mark.prove
def test_months_tile_in_every_zone_there_is(record_property: Record) -> None:
    assert len(ZONES) >= 590
    for name in ZONES:
        check_months(ZoneInfo(name))
    record_property("proof", ("months of a time zone", len(ZONES) * (len(MONTHS) - 1)))


def test_the_day_samoa_skipped_is_empty_and_no_instant_is_lost() -> None:
    # Apia went from 29 December 2011 straight to the 31st.
    apia = ZoneInfo("Pacific/Apia")
    skipped = first_instant(date(2011, 12, 30), apia)
    assert (
        skipped == first_instant(date(2011, 12, 31), apia) == datetime(2011, 12, 30, 10, tzinfo=UTC)
    )
    assert day_of(skipped - MICROSECOND, apia) == date(2011, 12, 29)
