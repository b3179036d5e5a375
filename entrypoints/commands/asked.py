"""What people give to commands, read: business dates, and who they are."""

import getpass
import os
from datetime import date

from chargeback.clock import today
from chargeback.periods import Period, parse_day
from chargeback.settings import settings


def actor() -> str:
    """Who gives the command, as the audit log names them."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # A user id that has no name, as in some containers.
        return f"cli:{os.getuid()}"


def business_date(given: str | None) -> date:
    """The date a document or a move bears; nothing given is today in the billing zone."""
    return today(settings().zone) if given is None else parse_day(given)


def period(given: str | None) -> Period | None:
    """The period that was given, if one was."""
    return None if given is None else Period.parse(given)
