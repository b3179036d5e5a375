"""How numbers and dates are written for people: on invoices and on pages.

Owns digits, separators and month names, the same in every locale. Rounds nothing but unit prices and quantities: an
amount comes as it is to be printed, an exact one is written with all its digits.
"""

from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal

from chargeback.money import minor_digits
from chargeback.periods import Period

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_PRICE_DIGITS = 6
_WIDE = Context(prec=100, rounding=ROUND_HALF_UP)


def money(amount: Decimal, currency: str) -> str:
    """`amount` with the decimals of its currency: 1,234.50, and 1,235 in yen."""
    return f"{amount or Decimal(0):,.{minor_digits(currency)}f}"


def decimals(number: Decimal) -> int:
    """How many digits behind the point `number` needs."""
    return len(f"{number:f}".partition(".")[2].rstrip("0"))


def exact(number: Decimal, places: int = 0) -> str:
    """`number` with every digit it has, and at least `places` behind the point."""
    return f"{number or Decimal(0):,.{max(places, decimals(number))}f}"


def quantity(amount: Decimal, unit: str) -> str:
    """A quantity with its unit: to two decimals, or where it is small to six significant digits."""
    return f"{short(amount)} {unit}".rstrip(" ")


def short(amount: Decimal) -> str:
    """A quantity as people read it; shares of it may have eighteen decimals that tell nobody anything."""
    places = 2 if abs(amount) >= 1 else _PRICE_DIGITS - 1 - (amount.adjusted() if amount else 0)
    if decimals(amount) <= places:
        return exact(amount)
    return exact(_WIDE.quantize(amount, Decimal(1).scaleb(-places)))


def unit_price(price: Decimal, currency: str) -> str:
    """`price` to six significant digits, never fewer decimals than money has; empty for none."""
    if not price:
        return ""
    least = minor_digits(currency)
    places = max(least, _PRICE_DIGITS - 1 - price.adjusted())
    shown = f"{price:,.{places}f}"
    is_exact = decimals(price) <= places
    return exact(price, least) if is_exact else shown


def percent(rate: Decimal) -> str:
    """A rate such as 0.21 as a percentage: 21%."""
    return f"{exact(rate.scaleb(2))}%"


def long_date(day: date) -> str:
    """A date as letters write it: 1 November 2026."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def long_period(period: Period) -> str:
    """The first and the last day that `period` covers, as letters write them."""
    first, last = period.start, period.last_day
    if first == last:
        return long_date(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {long_date(last)}"
    if first.year == last.year:
        return f"{first.day} {_MONTHS[first.month - 1]} to {long_date(last)}"
    return f"{long_date(first)} to {long_date(last)}"


def period_name(period: Period) -> str:
    """A period as people call it: October 2026 for a whole month, else its first and last day."""
    start = period.start
    if period == Period.month_of(start):
        return f"{_MONTHS[start.month - 1]} {start.year}"
    return long_period(period)
