"""What the money core says when it refuses, word for word: the thing, the reason, the next step."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from chargeback import days, invoice_status, money, numbering
from chargeback.errors import ChargebackError
from chargeback.periods import Period
from models.enums import InvoiceStatus as S

UTC = ZoneInfo("UTC")
TOO_LARGE = "is out of range; the ledger keeps up to 20 digits before the point and reads up to 16383 behind it."
SAID: list[tuple[Callable[[], object], str, str]] = [
    (lambda: money.split(1, {'a': 0, 'b': -1}), 'negative_weight',
     "'b' has the weight -1; give zero or more."),
    (lambda: money.split(1, {'a': 0, 'b': 0}), 'nothing_to_split_by',
     'All 2 weights are zero; give at least one payer a weight above zero.'),
    (lambda: money.units(Decimal('0.0000000000000000001')), 'too_many_decimals',
     '1E-19 has more than 18 decimals; round it as it enters.'),
    (lambda: money.units(Decimal('Infinity')), 'out_of_range',
     f"Infinity {TOO_LARGE}"),
    (lambda: money.enter(Decimal('-Infinity')), 'not_a_number',
     "Decimal('-Infinity') is no number; write a finite one like 1234.50."),
    (lambda: money.enter(Decimal('1E+20')), 'out_of_range',
     f"1E+20 {TOO_LARGE}"),
    (lambda: money.enter(Decimal('1E-16384')), 'out_of_range',
     f"1E-16384 {TOO_LARGE}"),
    (lambda: money.enter(Decimal('1' * 81)), 'out_of_range',
     f"{'1' * 80}... {TOO_LARGE}"),
    (lambda: money.enter(Decimal('1' * 80)), 'out_of_range',
     f"{'1' * 80} {TOO_LARGE}"),
    (lambda: money.to_money(Decimal('1E+80'), 'USD'), 'out_of_range',
     f"1E+80 {TOO_LARGE}"),
    (lambda: money.minor_digits('usd'), 'currency_unknown',
     "'usd' is no ISO 4217 currency; write 'USD'."),
    (lambda: money.minor_digits('ZZZ'), 'currency_unknown',
     "'ZZZ' is no ISO 4217 currency; write one like 'USD'."),
    (lambda: money.decimal_of(None), 'not_a_number',
     'None is no number; write a finite one like 1234.50.'),
    (lambda: money.decimal_of(Decimal('NaN')), 'not_a_number',
     "Decimal('NaN') is no number; write a finite one like 1234.50."),
    (lambda: money.decimal_of(' '), 'not_a_number',
     "' ' is no number; it is empty: write 0 or leave the field out."),
    (lambda: money.decimal_of('5,50'), 'not_a_number',
     "'5,50' is no number; write a decimal point and no thousands separator, like 1234.50."),
    (lambda: money.decimal_of('1_000'), 'not_a_number',
     "'1_000' is no number; write the digits without underscores."),
    (lambda: money.decimal_of('٣'), 'not_a_number',
     "'٣' is no number; write it with the digits 0 to 9."),
    (lambda: money.decimal_of('-inf'), 'not_a_number',
     "'-inf' is no number; write a finite number."),
    (lambda: money.decimal_of('$5'), 'not_a_number',
     "'$5' is no number; write digits with a decimal point, like 1234.50."),
    (lambda: days.parse_day('2026-1-1'), 'day_invalid',
     "'2026-1-1' is no date; write it like '2026-10-31'."),
    (lambda: days.parse_day('2026-02-30'), 'day_invalid',
     "'2026-02-30' is not in the calendar; write a date like '2026-10-31'."),
    (lambda: days.parse_day('2200-01-01'), 'day_invalid',
     "'2200-01-01' is outside the years 1970 to 2199; correct the year."),
    (lambda: days.parse_instant('now'), 'timestamp_invalid',
     "'now' is no date and time; write it like '2026-10-31T18:30:00Z' or with an offset like +02:00."),
    (lambda: days.parse_instant('2026-01-01T24:00:00'), 'timestamp_invalid',
     ("'2026-01-01T24:00:00' has no time of day from 00:00:00 to 23:59:59; "
      "write midnight as 00:00:00 of the day it begins.")),
    (lambda: days.parse_instant('2026-01-01T10:00:00+15:00'), 'timestamp_invalid',
     "'2026-01-01T10:00:00+15:00' has the offset +15:00; write one from -14:00 to +14:00."),
    (lambda: Period(date(2026, 10, 2), date(2026, 10, 2)), 'period_invalid',
     'The period from 2026-10-02 ends on 2026-10-01, before it starts; give a last day of 2026-10-02 or later.'),
    (lambda: Period.month('2026-13'), 'period_invalid',
     "'2026-13' is no month; write it like '2026-10'."),
    (lambda: Period.parse('a/b/c'), 'period_invalid',
     "'a/b/c' is no period; write a month like '2026-10', a date, or two dates like '2026-10-01/2026-10-10'."),
    (lambda: Period.parse('x'), 'period_invalid',
     "'x' is no period; write a month like '2026-10', a date, or two dates like '2026-10-01/2026-10-10'."),
    (lambda: Period.parse('2026-10/x'), 'period_invalid',
     "'2026-10/x' is no period; write a month like '2026-10', a date, or two dates like '2026-10-01/2026-10-10'."),
    (lambda: Period.parse('x/2026-10'), 'period_invalid',
     "'x/2026-10' is no period; write a month like '2026-10', a date, or two dates like '2026-10-01/2026-10-10'."),
    (lambda: Period.parse('2026-10-02/2026-10-01'), 'period_invalid',
     "The period starts at '2026-10-02' and ends at '2026-10-01', which is not after it; give an end after the start."),
    (lambda: Period.between('2026-10-02', '2026-10-01', UTC), 'period_invalid',
     "The period starts at '2026-10-02' and ends at '2026-10-01', which is not after it; give an end after the start."),
    (lambda: numbering.given(''), 'number_invalid',
     "'' cannot be a document number; write 1 to 64 characters without spaces around them."),
    (lambda: numbering.given('..'), 'number_invalid',
     "'..' cannot be a document number; write printable characters on one line and no '..'."),
    (lambda: invoice_status.parse('zzz'), 'status_unknown',
     "'zzz' is no invoice status; write one of draft, pending, sent, paid, overdue, cancelled."),
    (lambda: invoice_status.check('INV-1', S.PAID, S.DRAFT), 'status_refused',
     'INV-1 is paid and cannot become draft; it stays as it is, so bill or credit with a new document.'),
    (lambda: invoice_status.check('INV-1', S.SENT, S.DRAFT), 'status_refused',
     'INV-1 is sent and cannot become draft; it may become paid, overdue, cancelled.'),
    (lambda: invoice_status.check('INV-1', S.DRAFT, S.SENT, require_approval=True), 'approval_required',
     'INV-1 is draft and needs approval before it is sent; make it pending first.'),
]  # fmt: skip


@pytest.mark.parametrize(("refused", "code", "said"), SAID)
def test_a_refusal_names_the_thing_the_reason_and_the_next_step(
    refused: Callable[[], object], code: str, said: str
) -> None:
    with pytest.raises(ChargebackError) as refusal:
        refused()
    assert (refusal.value.code, str(refusal.value)) == (code, said)
