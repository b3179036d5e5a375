"""The only place that asks what time it is; everything else takes `as_of` or a business date."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo


def now() -> datetime:
    """This instant, in UTC."""
    return datetime.now(UTC)


def today(zone: ZoneInfo) -> date:
    """The calendar date in `zone` right now: the business date of what is done without one."""
    return now().astimezone(zone).date()
