"""Forecasts worked by hand: what a month comes to, seen from within."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from chargeback.forecast import backtest, forecast, median, part, run_rate
from chargeback.periods import Period

D = Decimal
OCTOBER = Period.month("2026-10")  # Thursday the 1st to Saturday the 31st


def week(first: str, days: int, workday: str, weekend: str) -> dict[date, Decimal]:
    """Costs of consecutive days: one for working days, one for Saturdays and Sundays."""
    start = date.fromisoformat(first)
    every = [start + timedelta(n) for n in range(days)]
    return {day: D(weekend if day.weekday() >= 5 else workday) for day in every}


def test_each_day_to_come_costs_what_working_days_or_weekends_did() -> None:
    daily = week("2026-09-17", 28, "10", "1")  # 17 September to 14 October
    # 1 to 14 October: 10 working days and 4 of weekends; 15 to 31: 12 and 5.
    assert forecast(daily, OCTOBER, date(2026, 10, 15)) == 10 * 10 + 4 + 12 * 10 + 5


def test_a_single_dear_day_moves_the_forecast_by_itself_and_not_by_its_repetition() -> None:
    daily = week("2026-09-17", 28, "10", "1") | {date(2026, 10, 13): D(1000)}
    assert forecast(daily, OCTOBER, date(2026, 10, 15)) == 229 + 990
    # The run rate takes it for the way things are: (9 × 10 + 1000 + 4 × 1) / 14 × 31.
    assert run_rate(daily, OCTOBER, date(2026, 10, 15)) == D("2422.428571428571428571")


def test_of_less_than_a_week_the_median_of_all_days_stands_for_each() -> None:
    daily = {date(2026, 10, 1): D(1), date(2026, 10, 2): D(5), date(2026, 10, 4): D(9)}
    # Known: 1, 5, 0, 9; their median is 3, for each of the 27 days to come.
    assert forecast(daily, OCTOBER, date(2026, 10, 5)) == 15 + 27 * 3


def test_a_day_begun_costs_what_is_expected_of_it_or_what_is_booked_if_that_is_more() -> None:
    daily = week("2026-10-01", 4, "2", "2")
    known = 8 + 27 * 2
    assert forecast(daily | {date(2026, 10, 5): D(1)}, OCTOBER, date(2026, 10, 5)) == known
    assert forecast(daily | {date(2026, 10, 5): D(7)}, OCTOBER, date(2026, 10, 5)) == known + 5


@pytest.mark.parametrize(
    ("as_of", "told"),
    [("2026-10-01", None), ("2026-11-01", D(3)), ("2027-05-01", D(3)), ("2026-10-31", D(3))],
)
def test_before_anything_is_known_nothing_is_said_and_afterwards_what_was(
    as_of: str, told: Decimal | None
) -> None:
    daily = {date(2026, 10, 1): D(3), date(2026, 11, 5): D(100)}
    assert forecast(daily, OCTOBER, date.fromisoformat(as_of)) == told


def test_a_month_not_begun_is_forecast_from_the_one_before() -> None:
    assert (
        forecast(week("2026-10-01", 31, "10", "1"), Period.month("2026-11"), date(2026, 11, 1))
        == 21 * 10 + 9
    )


def test_medians_and_parts_are_exact_to_the_last_digit() -> None:
    assert median([D("0.000000000000000001"), D(0)]) == D("0.0000000000000000005")
    assert median([D(3), D(1), D(2)]) == 2
    assert part(D("79.996"), D(100)) == D("0.8000")
    assert part(D(1), D(0)) == 0


def test_what_was_refunded_counts_against_what_is_spent_and_no_refund_is_expected() -> None:
    refunds = {date(2026, 10, day): D(-20) for day in (3, 4, 10)}
    daily = week("2026-10-01", 14, "2", "2") | refunds
    # The median of the weekends' days is -20; nobody counts on that for the five to come.
    assert forecast(daily, OCTOBER, date(2026, 10, 15)) == 11 * 2 - 3 * 20 + 12 * 2 + 5 * 0


def test_a_back_test_adds_up_how_far_both_ways_were_off() -> None:
    """Two teams' Octobers, seen from the 15th: one goes on as before, of the other's last days nobody knew."""
    steady = week("2026-09-01", 61, "10", "0")
    grows = week("2026-09-01", 61, "10", "10") | {date(2026, 10, 31): D(90)}
    found = backtest({"steady": steady, "grows": grows}, [OCTOBER], 14)
    # Steady: 22 working days are 220, forecast 220; by run rate 100 / 14 × 31. Grows: 390, both say 310.
    assert (found.forecasts, found.actual, found.error) == (2, D(610), D(80))
    assert found.naive_error == D("81.428571428571428571")
    assert (found.share, found.naive_share) == (D("0.1311"), D("0.1335"))
