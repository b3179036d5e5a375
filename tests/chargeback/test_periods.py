"""Periods: what people may write, and the whole days it covers."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargeback.errors import Invalid
from chargeback.periods import Period, bound, day_of, first_instant, parse_instant

OCTOBER = Period(date(2026, 10, 1), date(2026, 11, 1))
JANUARY = Period(date(2024, 1, 1), date(2024, 2, 1))
UTC_ZONE = ZoneInfo("UTC")
NEW_YORK = ZoneInfo("America/New_York")
DAYS = st.dates(date(1971, 1, 1), date(2198, 12, 31))


@st.composite
def _periods(draw: st.DrawFn) -> Period:
    start, end = sorted((draw(DAYS), draw(DAYS)))
    return draw(st.sampled_from([Period(start, end + timedelta(days=1)), Period.month_of(start)]))


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("2026-10", OCTOBER),
        (" 2026-10 ", OCTOBER),
        ("2026-12", Period(date(2026, 12, 1), date(2027, 1, 1))),
        ("2026-10-01/2026-10-10", Period(date(2026, 10, 1), date(2026, 10, 11))),
        ("2026-10-01 to 2026-10-10", Period(date(2026, 10, 1), date(2026, 10, 11))),
        ("2026-10-01/2026-10-31", OCTOBER),
        ("2026-10-05", Period(date(2026, 10, 5), date(2026, 10, 6))),
        ("2026-10/2026-12", Period(date(2026, 10, 1), date(2027, 1, 1))),
    ],
)
def test_a_period_is_read_with_its_last_day(text: str, period: Period) -> None:
    assert Period.parse(text) == period


@pytest.mark.parametrize(
    "text",
    [
        *("", "2024-13", "2024-00", "2024-1", "24-01", "october", "9999-01"),
        *("2026-10-01/", "2026-10-32", "2026-10-01/2026-10-02/2026-10-03"),
        *("2026-10-10/2026-10-01", "2026-11/2026-10"),
    ],
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        Period.parse(text)
    assert refused.value.code in ("period_invalid", "day_invalid")


@pytest.mark.parametrize("text", ["2024-13", "2024-00", "2024-1", "2024", "2024-01-01"])
def test_what_is_no_month_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Invalid, match=f"'{text}' is no month; write it like '2026-10'"):
        Period.month(text)


def test_a_period_that_ends_before_it_starts_is_refused_naming_both() -> None:
    with pytest.raises(Invalid, match="starts at '2026-10-10' and ends at '2026-10-01'"):
        Period.parse("2026-10-10/2026-10-01")
    with pytest.raises(Invalid, match="starts at '2026-10-10' and ends at '2026-10-09'"):
        Period.parse("2026-10-10/2026-10-09")
    with pytest.raises(Invalid, match="starts at '2024-02-01' and ends at '2024-01-31T23:59:59Z'"):
        Period.between("2024-02-01", "2024-01-31T23:59:59Z", UTC_ZONE)
    with pytest.raises(Invalid, match="from 2026-10-10 ends on 2026-10-09, before it starts"):
        Period(date(2026, 10, 10), date(2026, 10, 10))


def test_a_month_has_its_days() -> None:
    days = list(OCTOBER.days())
    assert (len(days), days[0], days[30]) == (31, date(2026, 10, 1), date(2026, 10, 31))
    assert OCTOBER.last_day == days[30]
    assert OCTOBER.contains(date(2026, 10, 31))
    assert not OCTOBER.contains(date(2026, 11, 1))
    assert not OCTOBER.contains(date(2026, 9, 30))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("2026-10-01/2026-10-31", "2026-10"),
        ("2026-10-01/2026-10-10", "2026-10-01 to 2026-10-10"),
        ("2026-10-05/2026-10-05", "2026-10-05"),
        ("2026-10/2026-11", "2026-10-01 to 2026-11-30"),
    ],
)
def test_a_period_is_called_what_people_call_it(text: str, label: str) -> None:
    assert Period.parse(text).label == str(Period.parse(text)) == label


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("2026-10", "2026-09"),
        ("2026-01", "2025-12"),
        ("2024-03", "2024-02"),
        ("2026-10/2026-12", "2026-07/2026-09"),
        ("2026-10-05", "2026-10-04"),
        ("2026-10-01/2026-10-10", "2026-09-21/2026-09-30"),
    ],
)
def test_the_period_before_is_of_the_same_kind(text: str, before: str) -> None:
    assert Period.parse(text).previous() == Period.parse(before)


@given(_periods())
def test_a_period_is_read_back_from_its_label(period: Period) -> None:
    assert Period.parse(period.label) == period


@given(_periods())
def test_the_period_before_ends_where_this_one_starts(period: Period) -> None:
    assert period.previous().end == period.start


@given(DAYS)
def test_each_day_lies_in_its_month_only(day: date) -> None:
    month = Period.month_of(day)
    after = Period.month_of(month.end)
    assert month.contains(day)
    assert (after.previous(), month.end) == (month, after.start)
    assert Period.month(month.label) == month


# Bounds as callers of the HTTP API write them.


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-01-01T00:00:00Z", "2024-01-31T23:59:59Z"),
        ("2024-01-01T00:00:00Z", "2024-01-31T23:59:59.999999Z"),
        ("2024-01-01T00:00:00", "2024-01-31T23:59:59"),
        ("2024-01-01", "2024-01-31"),
        ("2024-01-01T00:00:00Z", "2024-01-31T00:00:00Z"),
        ("2024-01-01T00:00:00+09:00", "2024-01-31T23:59:59-08:00"),
        ("2024-01-01", "2024-01-31T23:59:59.5+01:00"),
    ],
)
@pytest.mark.parametrize("zone", [UTC_ZONE, NEW_YORK, ZoneInfo("Pacific/Auckland")])
def test_a_named_bound_is_the_date_as_written_in_any_zone(
    start: str, end: str, zone: ZoneInfo
) -> None:
    assert Period.between(start, end, zone) == (JANUARY, False)


def test_usage_at_23_59_59_5_on_the_last_day_is_in_the_month() -> None:
    period, _ = Period.between("2024-01-01T00:00:00Z", "2024-01-31T23:59:59Z", UTC_ZONE)
    assert period.contains(day_of(parse_instant("2024-01-31T23:59:59.5Z"), UTC_ZONE))


def test_the_guides_example_3_run_at_six_bills_whole_days_and_says_so() -> None:
    period, widened = Period.between("2024-01-01T06:00:00Z", "2024-01-31T06:00:00Z", UTC_ZONE)
    assert (period, widened) == (JANUARY, True)


def test_other_times_are_taken_into_the_billing_zone_and_widened() -> None:
    # 03:00Z is still the evening before in New York: 31 December and 30 January.
    period, widened = Period.between("2024-01-01T03:00:00Z", "2024-01-31T03:00:00Z", NEW_YORK)
    assert (period, widened) == (Period(date(2023, 12, 31), date(2024, 1, 31)), True)


def test_instants_that_bound_the_billing_zones_days_need_no_widening() -> None:
    midnights = Period.between("2024-01-01T05:00:00Z", "2024-02-01T05:00:00Z", NEW_YORK)
    last_second = Period.between("2024-01-01T05:00:00Z", "2024-02-01T04:59:59Z", NEW_YORK)
    assert midnights == last_second == (JANUARY, False)


def test_a_second_before_the_last_one_is_widened() -> None:
    assert Period.between("2024-01-01", "2024-01-31T23:59:58Z", UTC_ZONE) == (JANUARY, True)
    assert Period.between("2024-01-01T00:00:01Z", "2024-01-31", UTC_ZONE) == (JANUARY, True)


def test_one_day_may_be_named_twice() -> None:
    day = Period(date(2024, 1, 5), date(2024, 1, 6))
    assert Period.between("2024-01-05", "2024-01-05", UTC_ZONE) == (day, False)
    assert Period.between("2024-01-05", "2024-01-05T06:00:00Z", UTC_ZONE) == (day, True)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-01-05", "2024-01-04"),
        ("2024-01-05T18:00:00Z", "2024-01-05T06:00:00Z"),
        ("2024-01-05T06:00:00Z", "2024-01-05T06:00:00Z"),
        # The end is New York's midnight, so nothing of 5 January is covered.
        ("2024-01-05", "2024-01-05T05:00:00Z"),
    ],
)
def test_an_end_that_is_not_after_the_start_is_refused(start: str, end: str) -> None:
    with pytest.raises(Invalid, match=f"starts at '{start}' and ends at '{end}'") as refused:
        Period.between(start, end, NEW_YORK)
    assert refused.value.code == "period_invalid"


@pytest.mark.parametrize("end", ["", "yesterday", "2024-01-31T24:00:00Z", "2024-02-30"])
def test_a_bound_that_is_no_date_or_time_is_refused(end: str) -> None:
    with pytest.raises(Invalid):
        Period.between("2024-01-01", end, UTC_ZONE)


def test_a_period_begins_and_ends_with_the_zones_days() -> None:
    november = Period.month("2026-11")
    assert november.instants(NEW_YORK) == (
        datetime(2026, 11, 1, 4, tzinfo=UTC),
        datetime(2026, 12, 1, 5, tzinfo=UTC),
    )


@given(
    st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu", "America/Havana"]).map(ZoneInfo),
    st.timedeltas(timedelta(), timedelta(days=30 * 365)),
    st.timedeltas(timedelta(seconds=1), timedelta(days=90)),
)
def test_a_widened_period_covers_the_instants_it_was_asked_for(
    zone: ZoneInfo, since: timedelta, length: timedelta
) -> None:
    start = datetime(2000, 1, 1, tzinfo=UTC) + since
    end = start + length
    if _names_a_date(start) or _names_a_date(end):
        return
    period, widened = Period.between(start.isoformat(), end.isoformat(), zone)
    begins, stops = period.instants(zone)
    assert begins <= start
    assert end <= stops
    assert start - begins < timedelta(hours=25)
    assert stops - end < timedelta(hours=25)
    assert widened or (start == begins and stops - end <= timedelta(seconds=1))


def _names_a_date(instant: datetime) -> bool:
    return f"{instant:%H:%M:%S}" == "23:59:59" or f"{instant:%H:%M:%S.%f}" == "00:00:00.000000"


@pytest.fixture(params=["Asia/Kathmandu", "America/Havana"])
def elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The machine's own clock shows the time of another place."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_no_period_depends_on_where_the_machine_stands(elsewhere: str) -> None:
    new_york, apia = ZoneInfo("America/New_York"), ZoneInfo("Pacific/Apia")
    assert parse_instant("2026-10-31T20:00:00-04:00") == datetime(2026, 11, 1, tzinfo=UTC)
    assert first_instant(date(2026, 10, 1), new_york) == datetime(2026, 10, 1, 4, tzinfo=UTC)
    assert first_instant(date(2011, 12, 30), apia) == datetime(2011, 12, 30, 10, tzinfo=UTC)
    assert str(bound("2026-10-31T20:00:00-04:00", new_york).instant) == "2026-11-01 00:00:00+00:00"
    # A jump at 23:30, as in 1919.
    toronto = ZoneInfo("America/Toronto")
    assert first_instant(date(1919, 3, 31), toronto) == datetime(1919, 3, 31, 4, 30, tzinfo=UTC)
    assert first_instant(date(1919, 3, 31), toronto).tzinfo is UTC
    assert first_instant(date(2026, 10, 1), new_york).tzinfo is UTC
    assert Period.between("2026-10-01T04:00:00Z", "2026-11-01T04:00:00Z", new_york) == (
        Period.month("2026-10"),
        False,
    )


def test_the_last_second_of_a_day_somewhere_ends_that_day() -> None:
    """Kathmandu is at UTC+5:45, so its 31 October ends at 18:15 UTC; a second earlier it does not."""
    zone = ZoneInfo("Asia/Kathmandu")
    october = Period.month("2026-10")
    for end, is_widened in (
        ("2026-10-31T18:14:59Z", False),
        ("2026-10-31T18:15:00Z", False),
        ("2026-10-31T18:14:58Z", True),
    ):
        assert Period.between("2026-10-01", end, zone) == (october, is_widened)
