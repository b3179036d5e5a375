"""Every booking on a machine whose clock is wrong, or stands where calendars are odd: the same books.

Dates of business are given to a step; what the clock says decides nothing.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import time_machine

from tests.faults.bookings import BOOKINGS
from tests.faults.matrix import Told
from tests.faults.story import Story

pytestmark = [pytest.mark.timeout(600), pytest.mark.spread]

BERLIN = ZoneInfo("Europe/Berlin")
MOMENTS = {
    "years ago": datetime(2019, 6, 1, tzinfo=UTC),
    "the month before": datetime(2026, 9, 30, 23, 59, 59, tzinfo=UTC),
    "a leap day": datetime(2028, 2, 29, 12, tzinfo=UTC),
    "the end of a year": datetime(2026, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    "an hour that is twice": datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN),
    "an hour that is not": datetime(2027, 3, 28, 2, 30, tzinfo=BERLIN),
}


@pytest.mark.prove
@pytest.mark.parametrize("moment", MOMENTS)
def test_what_the_clock_says_changes_no_books(
    story: Story, moment: str, record_property: Told
) -> None:
    for name in BOOKINGS:
        story.expected(name)
        with story.copy(name), time_machine.travel(MOMENTS[moment]):
            BOOKINGS[name].act()
            story.assert_whole(name)
    record_property("proof", ("clock is wrong", len(BOOKINGS)))
