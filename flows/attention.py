"""What every run that touches a month's cost shows of it to whoever looks: cost that nobody owns, and what looks wrong
though it ties out. Owns the tables; the figures are the tasks'.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.recording import Record
from tasks.find_unattributed import find_unattributed


def show_unattributed(record: Record, period: str) -> None:
    """Tell how much of the period nobody owns, with tables of what it bears and of the owners to name."""
    found = find_unattributed(period)
    if not found["groups"]:
        return
    unit = found["currency"]
    naming = f"naming {len(found['owners'])} owners clears {found['cleared']}: "
    record.say(
        f"{found['cost']} of {found['whole']} {unit} of {period} has no owner; "
        f"{naming if found['owners'] else ''}see `chargeback unattributed {period}`"
    )
    record.show("unattributed", f"Cost of {period} that nobody owns, in {unit}.", found["groups"])
    record.show(
        "owners-to-name",
        f"The shortest list of owners that would clear most of it, in {unit}.",
        found["owners"],
    )


def show_reconciliation(record: Record, period: str, reconciliation: Mapping[str, Any]) -> None:
    """Tables of what came in and where it went, of other currencies, and of what somebody should look at."""
    record.show(
        "reconciliation",
        f"What came in for {period} and where it went, exactly.",
        _reconciled(reconciliation["sources"]),
    )
    record.show(
        "other-currencies",
        f"What came in other currencies for {period}.",
        reconciliation["foreign"],
    )
    doubts = reconciliation["doubts"]
    record.show("drift", "Days on which a source says another total than we hold.", doubts["drift"])
    record.show(
        "twins", "Calls that look recorded twice; all are booked.", doubts["twins"]["pairs"]
    )
    record.show("free-usage", "Usage with tokens that costs nothing.", doubts["free"])
    for sentence in doubts["sentences"]:
        record.need_a_person(sentence)


# What came in on one side, what became of it on the other; a source is a column.
_FIGURES = {
    "received": "came in", "ledger": "in the ledger", "residual": "beyond 18 decimals", "quarantined": "refused",
    "waived": "waived", "difference": "difference", "invoiced": "on issued invoices", "on_drafts": "on drafts",
    "not_yet_invoiced": "not yet on issued invoices", "written_off": "written off", "unattributed": "borne by nobody",
    "not_allocated": "not allocated", "allocation_difference": "difference in allocation",
}  # fmt: skip


def _reconciled(sources: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if not sources:
        return []
    return [
        {"what": words, **{source["source"]: source[name] for source in sources}}
        for name, words in _FIGURES.items()
    ]
