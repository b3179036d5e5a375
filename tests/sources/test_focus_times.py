"""Times of FOCUS rows: however a provider writes them, one meaning or a refusal that says what to set."""

from datetime import UTC, date, datetime

import pytest

from chargeback.errors import Invalid
from chargeback.sources.focus_times import DateOrder, moment, row_times


@pytest.mark.parametrize(
    "text",
    ["2024-09-01T00:00:00Z", "2024-09-01T00:00:00.000Z", "2024-09-01 00:00:00", "2024-09-01 00:00:00 UTC",
     "2024-09-01T00:00Z", "2024-09-01", "2024-09-01 00:00:00.000000Z", "2024-09-01T00:00:00+00:00"],
)  # fmt: skip
def test_the_ways_in_which_providers_write_the_same_moment(text: str) -> None:
    assert moment("ChargePeriodStart", text, None) == datetime(2024, 9, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [("5/1/25", "month/day/year", date(2025, 5, 1)), ("5/1/25", "day/month/year", date(2025, 1, 5)),
     ("12/31/2025", "month/day/year", date(2025, 12, 31)), ("5/1/2025 13:05", "month/day/year", date(2025, 5, 1))],
)  # fmt: skip
def test_a_short_date_is_read_in_the_order_that_is_configured(
    text: str, order: DateOrder, day: date
) -> None:
    assert moment("BillingPeriodStart", text, order).date() == day


def test_a_short_date_is_refused_where_nobody_said_which_number_is_the_month() -> None:
    with pytest.raises(
        Invalid, match=r"BillingPeriodStart is '5/1/25'.*set the source's `dates`"
    ) as refusal:
        moment("BillingPeriodStart", "5/1/25", None)
    assert refusal.value.code == "date_ambiguous"


@pytest.mark.parametrize(
    "text", ["13/1/25", "2/30/25", "soon", "2024-13-01", "2024-09-01T24:00:00Z", "1/1/1899"]
)
def test_what_is_no_time_is_refused_naming_its_column(text: str) -> None:
    with pytest.raises(Invalid, match=r"^ChargePeriodStart"):
        moment("ChargePeriodStart", text, "month/day/year")


def test_a_charge_in_its_billing_period_counts_when_it_was_used() -> None:
    times = row_times("2024-09-01", "2024-10-01", "2024-09-30T22:00:00Z", None)
    assert (times.usage_date, times.charge_date) == (date(2024, 9, 30), date(2024, 9, 30))
    assert times.usage_at == datetime(2024, 9, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize("charged", ["2024-08-31T23:59:59Z", "2024-10-01T00:00:00Z", "2023-01-15"])
def test_a_charge_outside_it_is_booked_on_its_first_day(charged: str) -> None:
    times = row_times("2024-09-01", "2024-10-01", charged, None)
    assert times.usage_date == date(2024, 9, 1)
    assert times.usage_at == datetime(2024, 9, 1, tzinfo=UTC)
    assert times.charge_date == date.fromisoformat(charged[:10])


def test_days_are_those_of_the_sources_own_calendar() -> None:
    # Midnight of the first in Berlin is still August in UTC; the row says September.
    times = row_times(
        "2024-09-01T00:00:00+02:00", "2024-10-01T00:00:00+02:00", "2024-09-01T00:30:00+02:00", None
    )
    assert (times.period_start, times.usage_date) == (date(2024, 9, 1), date(2024, 9, 1))
    assert times.usage_at == datetime(2024, 8, 31, 22, 30, tzinfo=UTC)


def test_a_billing_period_may_be_a_day_or_end_within_its_last_one() -> None:
    assert row_times("2024-09-05", "2024-09-06", "2024-09-05", None).period_end == date(2024, 9, 6)
    assert row_times("2024-09-01", "2024-09-30T23:59:59Z", "2024-09-05", None).period_end == date(
        2024, 10, 1
    )


def test_a_billing_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(Invalid, match="BillingPeriodEnd '2024-09-01' does not come after"):
        row_times("2024-09-01", "2024-09-01", "2024-09-01", None)
