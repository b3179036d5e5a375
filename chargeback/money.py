"""Amounts of money and quantities: read exactly, divided without loss, rounded once.

Owns splitting, the rounding on entry (half-even to 18 decimals), the rounding on paper (half away
from zero to the currency's minor unit) and the reading of numbers. Knows no currency rates.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import (
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from functools import cache, reduce

from babel.numbers import get_currency_precision, list_currencies

from chargeback.errors import Invalid
from chargeback.quoting import LONGEST_QUOTE, quoted

LEDGER_DECIMALS = 18
UNIT = 10**LEDGER_DECIMALS
ZERO = Decimal(0)
_NUMERIC_DECIMALS = 16_383  # Postgres keeps no more behind the point.
_QUANTUM = Decimal(1).scaleb(-LEDGER_DECIMALS)
_NOTHING = _QUANTUM * 0

EXACT = Context(
    prec=20_000, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow], Emin=-999_999
)
"""Arithmetic that is exact or raises `decimal.Inexact`; the default keeps only 28 digits."""

# 38 digits with 18 of them behind the point: what does not fit NUMERIC(38,18) cannot be quantized.
_LEDGER = Context(prec=38, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])
_PAPER = Context(prec=60, rounding=ROUND_HALF_UP, traps=[InvalidOperation])

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,6})?", re.ASCII)
_WITH_COMMA = re.compile(r"[+-]?\d[\d.]*,[\d.,]*", re.ASCII)


class OutOfRange(Invalid):
    """A number has more digits than the ledger's columns hold."""


class NothingToSplitBy(Invalid):
    """All weights are zero: nobody is there to bear the amount."""


class NegativeWeight(Invalid):
    """A weight is below zero: nobody bears less than nothing."""


def split(amount: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Divide `amount` in proportion to `weights`; the parts add up to `amount` exactly.

    Units: `amount` in 10⁻¹⁸ of the currency; `weights` in any one unit.
    Leftover units go to the largest remainders, ties to the smaller key, so order never matters.
    Source: Hamilton's largest-remainder method.
    Raises NothingToSplitBy when all weights are zero, NegativeWeight when one is below zero.

    >>> split(100, {"a": 1, "b": 1, "c": 1})
    {'a': 34, 'b': 33, 'c': 33}
    """
    whole = _sum_of(weights)
    size = abs(amount)
    parts: dict[str, int] = {}
    remainders: list[tuple[int, str]] = []
    left = size
    for key, weight in weights.items():
        part, remainder = divmod(size * weight, whole)
        parts[key] = part
        left -= part
        if remainder:
            remainders.append((-remainder, key))
    if left:
        remainders.sort()
        for _, key in remainders[:left]:
            parts[key] += 1
    return parts if amount >= 0 else {key: -part for key, part in parts.items()}


def _sum_of(weights: Mapping[str, int]) -> int:
    if weights and min(weights.values()) < 0:
        key = min(key for key, weight in weights.items() if weight < 0)
        raise NegativeWeight(
            "negative_weight", f"{key!r} has the weight {weights[key]}; give zero or more."
        )
    whole = sum(weights.values())
    if not whole:
        raise NothingToSplitBy(
            "nothing_to_split_by",
            f"All {len(weights)} weights are zero; give at least one payer a weight above zero.",
        )
    return whole


def units(amount: Decimal) -> int:
    """`amount` counted in units of 10⁻¹⁸, exactly. Raises Invalid when it has more decimals."""
    try:
        scaled = EXACT.scaleb(amount, LEDGER_DECIMALS)
        count = int(scaled)
    except (ArithmeticError, ValueError):
        raise _out_of_range(amount) from None
    if count != scaled:
        raise Invalid(
            "too_many_decimals",
            f"{_plain(amount)} has more than {LEDGER_DECIMALS} decimals; round it as it enters.",
        )
    return count


def amount(units: int) -> Decimal:
    """The amount that `units` of 10⁻¹⁸ are, exactly."""
    return EXACT.scaleb(Decimal(units), -LEDGER_DECIMALS)


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of `amounts`, to the last digit."""
    return reduce(EXACT.add, amounts, ZERO)


def written(amount: Decimal) -> str:
    """The amount as text, every digit that counts and no exponent.

    >>> written(Decimal("2.50E-18"))
    '0.0000000000000000025'
    """
    return f"{EXACT.normalize(amount):f}"


def fits(amount: Decimal) -> bool:
    """Whether `amount` can be kept as it is in a NUMERIC(38,18) column."""
    try:
        return amount.is_finite() and amount.quantize(_QUANTUM, context=_LEDGER) == amount
    except InvalidOperation:
        return False


def enter(raw: Decimal) -> tuple[Decimal, Decimal]:
    """What the ledger keeps of a source's number, and the residual: `raw` is their exact sum.

    The ledger's part has 18 decimals, rounded half-even. -0 becomes 0. Raises Invalid for NaN and
    infinities (`not_a_number`), OutOfRange for more than 20 digits before the point.

    >>> enter(Decimal("0.0000000000000000005"))
    (Decimal('0E-18'), Decimal('5E-19'))
    """
    if not raw.is_finite():
        raise _not_a_number(raw)
    try:
        kept = raw.quantize(_QUANTUM, context=_LEDGER)
        if kept == raw:
            return kept or _NOTHING, ZERO
        residual = EXACT.subtract(raw, kept)
    except (InvalidOperation, Inexact):
        raise _out_of_range(raw) from None
    if -int(raw.as_tuple().exponent) > _NUMERIC_DECIMALS:
        raise _out_of_range(raw)
    return kept or _NOTHING, residual


@cache
def minor_digits(currency: str) -> int:
    """How many decimals `currency` has on paper: USD 2, JPY 0, BHD 3. Source: CLDR."""
    if currency not in list_currencies() or currency == "XXX":
        hint = f"write {currency.upper()!r}" if currency.islower() else "write one like 'USD'"
        raise Invalid("currency_unknown", f"{currency!r} is no ISO 4217 currency; {hint}.")
    return get_currency_precision(currency)


def to_money(exact: Decimal, currency: str) -> Decimal:
    """`exact` rounded half away from zero to the currency's minor unit, as it goes on paper.

    >>> to_money(Decimal("-0.125"), "USD")
    Decimal('-0.13')
    """
    minor_unit = Decimal(1).scaleb(-minor_digits(currency))
    try:
        return exact.quantize(minor_unit, context=_PAPER) or minor_unit * 0
    except InvalidOperation:
        raise _out_of_range(exact) from None


def apportion(exact_lines: Sequence[Decimal], total: Decimal, currency: str) -> list[Decimal]:
    """The amounts to print for `exact_lines`, so that they add up to `total`.

    `total` is the lines' exact sum rounded to money. Each printed line is less than one minor unit
    from exact and a line of whole minor units stays as it is. The odd units go to the largest
    remainders, ties to the line printed first.
    """
    minor = 10 ** (LEDGER_DECIMALS - minor_digits(currency))
    # Worked on a document above zero and signed back, so a credit mirrors what it takes back.
    sign = -1 if total < 0 else 1
    counted = [divmod(sign * units(line), minor) for line in exact_lines]
    odd = sign * units(total) - minor * sum(whole for whole, _ in counted)
    rounded_up = sorted(
        (index for index, (_, rest) in enumerate(counted) if rest),
        key=lambda index: -counted[index][1],
    )
    if odd not in range(0, (len(rounded_up) + 1) * minor, minor):
        whole = exact_sum(exact_lines)
        raise AssertionError(f"{total} {currency} is not the rounded sum of the lines, {whole}")
    raised = set(rounded_up[: odd // minor])
    return [
        to_money(amount(sign * minor * (whole + (index in raised))), currency)
        for index, (whole, _) in enumerate(counted)
    ]


def decimal_of(given: object) -> Decimal:
    """The number that `given` (text, int or Decimal) writes, digit for digit.

    Raises Invalid with a hint for what is no plain number; TypeError for a float, whose digits are
    lost already.
    """
    if isinstance(given, float):
        raise TypeError(f"{given!r} is a float; read numbers as text, int or Decimal")
    if isinstance(given, bool) or not isinstance(given, str | int | Decimal):
        raise _not_a_number(given)
    if isinstance(given, str) and not _NUMBER.fullmatch(given):
        raise Invalid("not_a_number", f"{quoted(given)} is no number; {_hint(given)}.")
    number = Decimal(given)
    if not number.is_finite():
        raise _not_a_number(given)
    return number


def _hint(text: str) -> str:
    if not text.strip():
        return "it is empty: write 0 or leave the field out"
    if _WITH_COMMA.fullmatch(text):
        return "write a decimal point and no thousands separator, like 1234.50"
    if "_" in text:
        return "write the digits without underscores"
    if any(sign.isdecimal() and not sign.isascii() for sign in text):
        return "write it with the digits 0 to 9"
    if re.fullmatch(r"[+-]?(s?nan|inf(inity)?)", text, re.IGNORECASE):
        return "write a finite number"
    return "write digits with a decimal point, like 1234.50"


def _not_a_number(given: object) -> Invalid:
    return Invalid(
        "not_a_number", f"{quoted(given)} is no number; write a finite one like 1234.50."
    )


def _out_of_range(given: Decimal) -> OutOfRange:
    return OutOfRange(
        "out_of_range",
        f"{_plain(given)} is out of range; the ledger keeps up to 20 digits before the point "
        f"and reads up to {_NUMERIC_DECIMALS} behind it.",
    )


def _plain(number: Decimal) -> str:
    text = str(number)
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}..."
