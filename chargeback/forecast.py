"""What a month will have cost by its end, from the daily costs known so far.

Owns the method: a working day still to come costs the median of the working days of the two weeks before, a day of a
weekend that of their weekends. A median is not moved by a single dear day, and two weeks follow what grows. Where less
than a week is known, the median of all known days stands for each. A day that is not over costs what the method
expects, or what is booked of it where that is more, and never less than nothing: nobody counts on a refund.
Units: costs exact in the ledger's currency. Back-tested against the plain run rate by `backtest`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Context, Decimal

from chargeback import money
from chargeback.periods import Period

LOOKS_BACK_DAYS = 14
WEEKENDS_FROM_DAYS = 7
_SATURDAY = 5
# Half of 10⁻¹⁸ is still exact; a mean is not, and is kept to the ledger's 18 decimals.
_MEAN = Context(prec=60)
_UNIT = Decimal(1).scaleb(-money.LEDGER_DECIMALS)

Daily = Mapping[date, Decimal]
"""What each day cost; a day that is not in it, after the first that is, cost nothing."""


def forecast(daily: Daily, month: Period, as_of: date) -> Decimal | None:
    """What the month comes to, seen from `as_of`, the first day that is not over; None where nothing is known before.

    A month that is over comes to what it cost.
    """
    spent = _booked(daily, month)
    to_come = [day for day in _days(month) if day >= as_of]
    if not to_come:
        return money.exact_sum(spent.values())
    known = _known(daily, as_of)
    if not known:
        return None
    over = [cost for day, cost in spent.items() if day < as_of]
    return money.exact_sum(
        [*over, *(max(spent.get(day, money.ZERO), _expected(known, day)) for day in to_come)]
    )


def run_rate(daily: Daily, month: Period, as_of: date) -> Decimal | None:
    """The plain way, to compare with: the month's days so far, on average, for the whole month."""
    over = [day for day in _days(month) if day < as_of]
    if not over:
        return None
    spent = money.exact_sum(daily.get(day, money.ZERO) for day in over)
    days = len(_days(month))
    mean = _MEAN.divide(_MEAN.multiply(spent, Decimal(days)), Decimal(len(over)))
    return mean.quantize(_UNIT, context=_MEAN)


def _days(period: Period) -> list[date]:
    return [period.start + timedelta(n) for n in range((period.end - period.start).days)]


def _booked(daily: Daily, month: Period) -> dict[date, Decimal]:
    return {day: cost for day, cost in daily.items() if month.start <= day < month.end}


def _known(daily: Daily, as_of: date) -> dict[date, Decimal]:
    """The two weeks before, from the first day anything was ever known of."""
    first = min((day for day in daily if day < as_of), default=as_of)
    start = max(first, as_of - timedelta(LOOKS_BACK_DAYS))
    return {day: daily.get(day, money.ZERO) for day in _days_between(start, as_of)}


def _days_between(start: date, end: date) -> list[date]:
    return [start + timedelta(n) for n in range((end - start).days)]


def _expected(known: Mapping[date, Decimal], day: date) -> Decimal:
    same = [cost for one, cost in known.items() if _is_weekend(one) == _is_weekend(day)]
    return median(same if len(known) >= WEEKENDS_FROM_DAYS else list(known.values()))


def _is_weekend(day: date) -> bool:
    return day.weekday() >= _SATURDAY


def median(costs: Sequence[Decimal]) -> Decimal:
    """The middle one of these, of an even number the mean of the middle two; exact."""
    ordered = sorted(costs)
    middle, is_odd = divmod(len(ordered), 2)
    if is_odd:
        return ordered[middle]
    both = money.EXACT.add(ordered[middle - 1], ordered[middle])
    return money.EXACT.divide(both, Decimal(2))


@dataclass(frozen=True)
class Backtest:
    """How wrong forecasts made so many days into months were: sums over months and teams, exact.

    `error` and `naive_error` are what the method and the run rate were off by, all signs taken away.
    """

    days_in: int
    forecasts: int
    actual: Decimal
    error: Decimal
    naive_error: Decimal

    @property
    def share(self) -> Decimal:
        """The method's error as a part of what was forecast; 0 where nothing was."""
        return part(self.error, self.actual)

    @property
    def naive_share(self) -> Decimal:
        """The run rate's error as a part of the same."""
        return part(self.naive_error, self.actual)


def part(amount: Decimal, whole: Decimal) -> Decimal:
    """`amount` as a part of `whole`, to four decimals; 0 of nothing."""
    if not whole:
        return money.ZERO
    return _MEAN.divide(amount, whole).quantize(Decimal("0.0001"), context=_MEAN)


def backtest(
    daily_by_team: Mapping[str, Daily], months: Sequence[Period], days_in: int
) -> Backtest:
    """Forecast every team's months from their day `days_in` on, knowing only the days before, and compare.

    What is known is what the ledger holds today: usage that came late counts on its day, which flatters both ways.
    """
    count, actual, error, naive_error = 0, money.ZERO, money.ZERO, money.ZERO
    for daily in daily_by_team.values():
        for month in months:
            as_of = month.start + timedelta(days_in)
            seen = {day: cost for day, cost in daily.items() if day < as_of}
            told, naive = forecast(seen, month, as_of), run_rate(seen, month, as_of)
            if told is None or naive is None:
                continue
            came_to = money.exact_sum(_booked(daily, month).values())
            count += 1
            actual = money.EXACT.add(actual, abs(came_to))
            error = money.EXACT.add(error, abs(money.EXACT.subtract(told, came_to)))
            naive_error = money.EXACT.add(naive_error, abs(money.EXACT.subtract(naive, came_to)))
    return Backtest(days_in, count, actual, error, naive_error)
