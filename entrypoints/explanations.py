"""Lines, allocations and usage explained on the terminal."""

from collections.abc import Sequence
from decimal import Decimal

from chargeback.documents import wording
from chargeback.forecast import part
from chargeback.ledger.bearers import RecordExplained
from chargeback.ledger.line_usage import BorneRecord
from chargeback.ledger.shares import ShareName
from chargeback.ledger.usage_reading import Record
from chargeback.lineage import AllocationExplained, Bearer, LineExplained, RulePart
from chargeback.settings import settings
from chargeback.views import InvoiceView
from entrypoints import showing
from models.enums import DocumentKind

_KINDS = {
    "usage": "usage",
    "reversal": "taken back of what was billed",
    "replacement": "in place of what was billed",
}


def show_document(view: InvoiceView, lines: Sequence[LineExplained], most: int) -> None:
    """Show what each line of a document comes from."""
    kind = "Credit note" if view.kind is DocumentKind.CREDIT_NOTE else "Invoice"
    payer = " / ".join(filter(None, [view.team_id, view.user_id])) or "all payers"
    named = {
        "payer": payer,
        "period": view.period.label,
        "status": showing.status(view.status),
        "total": showing.money(view.total, view.currency),
        "credits": view.credits_number,
        "credited by": view.credited_by_number,
    }
    showing.facts(named, f"{kind} {view.number}")
    showing.say("")
    if not lines:
        showing.say("It has no lines: nothing is billed.")
        return
    rows = [_rule_row(part, view.currency, line) for line in lines[:most] for part in line.rules]
    showing.table(rows, right=["", *_amounts(view.currency)], title="Where its lines come from")
    if len(lines) > most:
        showing.say(f"{len(lines) - most} more lines are not shown; --limit shows more.")
    showing.say(f"`chargeback explain {view.number}/1` goes on to the usage behind its line 1.")


def show_line(
    line: LineExplained,
    allocations: Sequence[AllocationExplained],
    records: Sequence[BorneRecord],
    most: int,
) -> None:
    """Show one line: its rules, allocations and usage."""
    own, currency = line.line, line.currency
    named = {
        "of": f"{line.number} ({line.status.value})",
        "for": own.description,
        "late usage of": f"{line.late_month:%Y-%m}" if line.late_month else None,
        "takes back": f"line {own.position} of {line.credits_number}" if line.credits_number else None,
        "exact": f"{wording.exact(own.exact)} {currency}",
        "printed": showing.money(own.amount, currency),
    }  # fmt: skip
    showing.facts(named, f"Line {own.position}")
    showing.say("")
    if not line.rules:
        showing.say("It claims nothing any more: the document was cancelled before it was issued.")
        return
    showing.table(
        [_rule_row(one, currency) for one in line.rules],
        right=_amounts(currency),
        title="The rules it comes from",
    )
    for sentence in dict.fromkeys(s for one in line.rules for s in _sentences(one, currency)):
        showing.say(sentence)
    showing.table(
        [_allocation_row(one, currency) for one in allocations[:most]],
        right=["allocation", "weight", *_amounts(currency)],
        title="The allocations it claims",
    )
    _more(len(allocations) > most, "allocations")
    _show_borne(records, currency, most)


def _amounts(currency: str) -> list[str]:
    """The columns of numbers."""
    return ["pools", f"all of it ({currency})", "share", currency]


def _rule_row(one: RulePart, currency: str, line: LineExplained | None = None) -> dict[str, object]:
    whole = one.pool_cost
    last = "" if one.last_day == one.first_day else f" to {one.last_day}"
    return {
        **({"": line.line.position, "what": line.line.description} if line else {}),
        "rule": f"{one.rule_id} v{one.rule_version}",
        "type": one.rule_type.replace("_", " "),
        "cost": "shared anew" if one.is_reallocated else _KINDS[one.kind],
        "source": one.source,
        "days": f"{one.first_day}{last}",
        "pools": one.pools,
        f"all of it ({currency})": whole,
        "share": _share(one.cost, whole),
        currency: one.cost,
    }


def _share(cost: Decimal, whole: Decimal | None) -> str:
    return "" if not whole else wording.percent(abs(part(cost, whole)))


def _sentences(one: RulePart, currency: str) -> list[str]:
    """What a table does not say of a rule's part."""
    rule = f"{one.rule_id} v{one.rule_version}"
    came = [
        f"{rule} passes on what {earlier.rule_id} v{earlier.rule_version} gave {earlier.team_id}: "
        f"{wording.exact(earlier.cost)} {currency}."
        for earlier in one.came_from
    ]
    return [*came, *(f"{rule}: {remark}" for remark in one.remarks)]


def _allocation_row(one: AllocationExplained, currency: str) -> dict[str, object]:
    return {
        "allocation": one.allocation_id,
        "day": one.usage_date,
        "rule": f"{one.rule_id} v{one.rule_version}",
        "payer": " / ".join(filter(None, [one.team_id, one.user_id])) or "nobody",
        "weight": one.weight,
        f"all of it ({currency})": one.pool_cost,
        "share": _share(one.cost, one.pool_cost),
        currency: one.cost,
    }


def _show_borne(records: Sequence[BorneRecord], currency: str, most: int) -> None:
    if not records:
        showing.say(
            "None of the usage behind it is in Postgres; `chargeback archive list` shows what is in files."
        )
        return
    bears = f"borne here ({currency})"
    showing.table(
        [{**_record_row(one.record, currency), bears: one.borne} for one in records[:most]],
        right=[f"cost ({currency})", bears],
        title="The usage behind it",
    )
    _more(len(records) > most, "usage records")


def _record_row(one: Record, currency: str) -> dict[str, object]:
    return {
        "usage": one.usage_id,
        "source": one.source,
        "at": f"{one.usage_at:%Y-%m-%d %H:%M} UTC",
        "team": one.team_id,
        "user": one.user_id,
        "agent": one.agent_id,
        "used": wording.quantity(one.quantity, one.unit),
        f"cost ({currency})": one.cost,
    }


def _more(is_cut: bool, what: str) -> None:
    if is_cut:
        showing.say(f"There are more {what}; --limit shows more, the API all of them page by page.")


def show_share(name: ShareName, records: Sequence[Record], most: int) -> None:
    """Show what a payer bears of a period under one rule, as the API names it, with the usage behind it."""
    currency = settings().currency
    payer = " / ".join(filter(None, [name.team_id, name.user_id])) or "nobody"
    showing.facts({"rule": name.rule_id, "payer": payer, "period": name.period.label}, "Allocation")
    showing.say("")
    showing.table(
        [_record_row(one, currency) for one in records[:most]],
        right=[f"cost ({currency})"],
        title="The usage it comes from",
    )
    _more(len(records) > most, "usage records")


def show_allocation(one: AllocationExplained) -> None:
    """Show one allocation: whose, of what, by which rule, and the lines that claimed it."""
    currency = settings().currency
    row = _allocation_row(one, currency)
    named = {
        "day": one.usage_date,
        "payer": row["payer"],
        "rule": f"{row['rule']} ({one.rule_type.replace('_', ' ')})",
        "cost": _KINDS[one.kind],
        "source": one.source,
        "for": f"{one.resource_type}, {wording.quantity(one.quantity, one.unit)}",
        "borne": f"{wording.exact(one.cost)} {currency}",
        "of": None if one.pool_cost is None else f"{wording.exact(one.pool_cost)} {currency}",
        "share": row["share"],
        "weight": one.weight,
        "remark": one.remark,
        "on": ", ".join(f"{number}/{position}" for number, position in one.lines) or "no document",
    }
    showing.facts(named, f"Allocation {one.allocation_id}")


def show_usage(found: RecordExplained, most: int) -> None:
    """Show a usage record and every line that bears a part of it."""
    currency, newest = settings().currency, found.revisions[-1]
    named = {
        "source": newest.source,
        "at": f"{newest.usage_at:%Y-%m-%d %H:%M:%S} UTC",
        "team": newest.team_id,
        "user": newest.user_id,
        "agent": newest.agent_id,
        "for": f"{newest.resource_type}, {wording.quantity(newest.quantity, newest.unit)}",
        "cost now": f"{wording.exact(found.cost)} {currency}",
        "not allocated yet": f"{wording.exact(found.unallocated)} {currency}" if found.unallocated else None,
        "record": newest.record_id,
    }  # fmt: skip
    showing.facts(named, f"Usage {newest.usage_id}")
    showing.say("")
    if len(found.revisions) > 1:
        _show_revisions(found.revisions, currency)
    if not found.bearers:
        showing.say("Nobody bears it yet: `chargeback allocate` shares it out.")
        return
    showing.table(
        [_bearer_row(one, currency) for one in found.bearers[:most]],
        right=["revision", "allocation", currency],
        title="Who bears it",
    )
    _more(len(found.bearers) > most, "bearers")


def _show_revisions(revisions: Sequence[Record], currency: str) -> None:
    showing.table(
        [
            {"revision": one.revision, "what": "taken back" if one.cost < 0 else "booked",
             f"cost ({currency})": one.cost}
            for one in revisions
        ],
        right=["revision", f"cost ({currency})"],
        title="It was corrected",
    )  # fmt: skip


def _bearer_row(one: Bearer, currency: str) -> dict[str, object]:
    return {
        "revision": one.revision,
        "payer": " / ".join(filter(None, [one.team_id, one.user_id])) or "nobody",
        "rule": f"{one.rule_id} v{one.rule_version}",
        "why": one.cause,
        "line": f"{one.number}/{one.position}" if one.number else _unbilled(one),
        "status": showing.status(one.status) if one.status else "",
        "allocation": one.allocation_id,
        currency: one.cost,
    }


def _unbilled(one: Bearer) -> str:
    if one.is_written_off:
        return "written off"
    return "on no document" if one.team_id or one.user_id else "unattributed"
