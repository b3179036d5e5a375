"""What every run that touches a month's cost shows of it to whoever looks: cost that nobody owns, and what looks wrong
though it ties out. Owns the tables; the figures are the tasks'.
"""

from collections.abc import Mapping
from typing import Any

from flows.recording import Record, show_table
from tasks.find_unattributed import find_unattributed


def show_unattributed(record: Record, period: str) -> None:
    """Tell how much of the period nobody owns, with tables of what it bears and of the owners to name."""
    found = find_unattributed(period)
    if not found["groups"]:
        return
    unit = found["currency"]
    record.say(
        f"{found['cost']} of {found['whole']} {unit} of {period} has no owner; naming {len(found['owners'])} owners "
        f"clears {found['cleared']}: see `chargeback unattributed {period}`"
    )
    show_table("unattributed", found["groups"], f"Cost of {period} that nobody owns, in {unit}.")
    show_table(
        "owners-to-name",
        found["owners"],
        f"The shortest list of owners that would clear most of it, in {unit}.",
    )


def show_reconciliation(record: Record, period: str, reconciliation: Mapping[str, Any]) -> None:
    """Tables of what came in and where it went, of other currencies, and of what somebody should look at."""
    show_table(
        "reconciliation", reconciliation["sources"], f"What came in for {period} and where it went."
    )
    show_table(
        "other-currencies",
        reconciliation["foreign"],
        f"What came in other currencies for {period}.",
    )
    doubts = reconciliation["doubts"]
    show_table("drift", doubts["drift"], "Days on which a source says another total than we hold.")
    show_table("twins", doubts["twins"]["pairs"], "Calls that look recorded twice; all are booked.")
    show_table("free-usage", doubts["free"], "Usage with tokens that costs nothing.")
    for sentence in doubts["sentences"]:
        record.need_a_person(sentence)
