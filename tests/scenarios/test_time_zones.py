"""Billing zones: a day is the one on the wall there, whatever the instant is in UTC."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from chargeback.errors import Refused
from chargeback.ledger.sync import window_of
from chargeback.periods import Period
from tests.ledger.books import Books
from tests.scenarios.conftest import OpenBooks

BEFORE, AFTER = Decimal("1.00"), Decimal("2.00")


@pytest.mark.parametrize(
    ("zone", "last", "first"),
    [
        # New York is 4 hours behind until 1 November at 2.
        ("America/New_York", "2026-11-01T03:30:00Z", "2026-11-01T04:00:00Z"),
        # Amsterdam is 1 hour ahead since 25 October.
        ("Europe/Amsterdam", "2026-10-31T22:59:59.999999Z", "2026-10-31T23:00:00Z"),
        ("Pacific/Kiritimati", "2026-10-31T09:59:59Z", "2026-10-31T10:00:00Z"),
    ],
)
def test_usage_around_midnight_belongs_to_the_month_of_the_billing_zone(
    open_books: OpenBooks, zone: str, last: str, first: str
) -> None:
    books = open_books(billing_zone=zone)
    books.use("search", "ana", "1.00", last).use("search", "ana", "2.00", first)
    assert books.draft("search", period="2026-10").total == BEFORE
    assert books.draft("search", period="2026-11").total == AFTER


def test_the_25_hours_of_the_day_the_clock_goes_back_are_one_day(open_books: OpenBooks) -> None:
    books = open_books(billing_zone="Europe/Amsterdam")
    for hour in range(25):
        day, hour_utc = divmod(22 + hour, 24)
        books.use("search", "ana", "1.00", f"2026-10-{24 + day}T{hour_utc:02}:00:00Z")
    assert books.draft("search", period="2026-10-25").total == Decimal("25.00")


def test_a_month_that_begins_at_one_because_midnight_does_not_exist_loses_nothing(
    open_books: OpenBooks,
) -> None:
    # Havana put its clocks forward at midnight: after 31 March 23:59:59 came 1 April 01:00.
    books = open_books(billing_zone="America/Havana")
    books.use("search", "ana", "1.00", "2012-04-01T04:59:59Z").use(
        "search", "ana", "2.00", "2012-04-01T05:00:00Z"
    )
    assert books.draft("search", period="2012-03").total == BEFORE
    assert books.draft("search", period="2012-04").total == AFTER
    assert window_of(Period.month("2012-04")).start == datetime(2012, 4, 1, 5, tzinfo=UTC)


def test_the_billing_zone_is_fixed_with_the_first_usage(open_books: OpenBooks) -> None:
    open_books(billing_zone="Europe/Amsterdam")
    with pytest.raises(
        Refused,
        match="CHARGEBACK_BILLING_ZONE is UTC but this ledger was begun with Europe/Amsterdam",
    ):
        open_books(billing_zone="UTC")


def test_the_currency_is_fixed_with_the_first_usage(open_books: OpenBooks) -> None:
    open_books(currency="USD")
    with pytest.raises(
        Refused, match="CHARGEBACK_CURRENCY is EUR but this ledger was begun with USD"
    ):
        open_books(currency="EUR")


def test_yen_are_billed_whole(open_books: OpenBooks) -> None:
    books: Books = open_books(currency="JPY")
    view = books.view(books.use("search", "ana", "1234.5").draft("search").number)
    assert (view.total, view.rounding_difference) == (Decimal(1235), Decimal("0.5"))
