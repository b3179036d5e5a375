"""The times of a FOCUS row: its billing period, the day it was used, and the day it is booked on.

Owns the ways in which providers write times and the rule of the two clocks: invoices tie to the
billing period, owners and rules to the day of the charge.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, NamedTuple

from chargeback.days import FIRST_YEAR, LAST_YEAR, as_written, parse_day
from chargeback.errors import Invalid
from chargeback.quoting import quoted

DateOrder = Literal["month/day/year", "day/month/year"]
_SHORT = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d\d)(?: (\d{1,2}):(\d\d)(?::(\d\d))?)?", re.ASCII)
_ONE_DAY = timedelta(days=1)


class RowTimes(NamedTuple):
    """When a row counts: `period_start <= usage_date < period_end`, `charge_date` as it was used.

    `usage_at` lies in the billing period too, so that a scope's records lie together.
    """

    period_start: date
    period_end: date
    usage_at: datetime
    usage_date: date
    charge_date: date


def row_times(
    period_start: str, period_end: str, charge_start: str, order: DateOrder | None
) -> RowTimes:
    """What the three columns of a row mean, in the calendar they are written in.

    A charge outside its billing period (a correction of a closed month, a fee at a term's end) is
    booked on the period's first day. Raises Invalid naming the column.
    """
    start = moment("BillingPeriodStart", period_start, order).date()
    end = _day_after(moment("BillingPeriodEnd", period_end, order))
    if end <= start:
        raise Invalid(
            "billing_period_invalid",
            f"BillingPeriodEnd {quoted(period_end)} does not come after BillingPeriodStart "
            f"{quoted(period_start)}; correct one of them.",
        )
    charged = moment("ChargePeriodStart", charge_start, order)
    if start <= charged.date() < end:
        return RowTimes(start, end, charged.astimezone(UTC), charged.date(), charged.date())
    first = datetime.combine(start, time.min, UTC)
    return RowTimes(start, end, first, start, charged.date())


def moment(column: str, text: str, order: DateOrder | None) -> datetime:
    """The date and time of day that a cell writes; UTC where it names no offset.

    Raises Invalid naming the column: for 5/1/25 where the configuration does not say which of the
    numbers is the month, and for what is no time.
    """
    if short := _SHORT.fullmatch(text):
        return _short_moment(column, text, short, order)
    try:
        if len(text) == len("2026-10-31"):
            return datetime.combine(parse_day(text), time.min, UTC)
        return as_written(text.removesuffix(" UTC"))
    except Invalid as fault:
        raise Invalid("time_invalid", f"{column}: {fault}") from None


def _short_moment(
    column: str, text: str, match: re.Match[str], order: DateOrder | None
) -> datetime:
    if order is None:
        raise Invalid(
            "date_ambiguous",
            f"{column} is {quoted(text)}, which may be two dates; set the source's `dates` to "
            "month/day/year or day/month/year.",
        )
    first, second, year = int(match[1]), int(match[2]), int(match[3])
    month, day = (first, second) if order == "month/day/year" else (second, first)
    year += 2000 if len(match[3]) == 2 else 0
    try:
        hour, minute, seconds = (int(part or 0) for part in match.groups()[3:])
        found = datetime(year, month, day, hour, minute, seconds, tzinfo=UTC)
    except ValueError:
        raise Invalid(
            "time_invalid", f"{column}: {quoted(text)} is not in the calendar as {order}."
        ) from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise Invalid(
            "time_invalid",
            f"{column}: {quoted(text)} is outside the years {FIRST_YEAR} to {LAST_YEAR}.",
        )
    return found


def _day_after(end: datetime) -> date:
    """The first day after a period; one that ends within a day includes that day."""
    return end.date() if end.time() == time.min else end.date() + _ONE_DAY
