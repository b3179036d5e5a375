"""What a change would move, on the terminal and for programs."""

from typing import Any

from chargeback.documents import wording
from chargeback.ledger.previews import Moved, Preview
from chargeback.settings import settings
from entrypoints import showing

MOST_SHOWN = 20


def sentence(preview: Preview, *, is_done: bool) -> str:
    """How much moves in how many days, as one sentence."""
    if not preview.days:
        return "No unbilled cost moves." if is_done else "No unbilled cost would move."
    cost, days = f"{wording.exact(preview.cost)} {settings().currency}", _days(preview.days)
    if preview.is_at_most:
        return f"Up to {cost} of unbilled cost in {days} may move; there is too much of it to say exactly what does."
    return f"{cost} of unbilled cost in {days} {'moves' if is_done else 'would move'}."


def show(preview: Preview, *, is_done: bool) -> None:
    """Show what moves: the sum, what changed rules take, and from whom to whom."""
    showing.say(sentence(preview, is_done=is_done))
    for one in preview.taken:
        cost = f"{wording.exact(one.cost)} {settings().currency}"
        showing.say(f"Rule {one.rule_id} takes {cost} in {_days(one.days)}.")
    if not preview.payers:
        return
    currency = settings().currency
    most = sorted(preview.payers, key=lambda one: abs(one.difference), reverse=True)[:MOST_SHOWN]
    showing.table([
        {"payer": _payer(one), f"bears now ({currency})": one.before, f"then ({currency})": one.after,
         "difference": _signed(one)}
        for one in sorted(most, key=lambda one: one.difference)
    ], right=[f"bears now ({currency})", f"then ({currency})", "difference"])  # fmt: skip
    if len(preview.payers) > MOST_SHOWN:
        showing.say(
            f"{len(preview.payers) - MOST_SHOWN} more payers are not shown; --json has them all."
        )


def as_json(preview: Preview) -> dict[str, Any]:
    """The preview for a program; payers that bear less first."""
    return {
        "cost": preview.cost,
        "days": preview.days,
        "is_at_most": preview.is_at_most,
        "rules": [{"rule_id": one.rule_id, "cost": one.cost, "days": one.days} for one in preview.taken],
        "payers": [
            {"team_id": one.team_id, "user_id": one.user_id, "is_allocated": one.is_allocated,
             "before": one.before, "after": one.after, "difference": one.difference}
            for one in sorted(preview.payers, key=lambda one: one.difference)
        ],
    }  # fmt: skip


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count:,} days"


def _payer(one: Moved) -> str:
    if not one.is_allocated:
        return "not allocated yet"
    return " / ".join(filter(None, [one.team_id, one.user_id])) or "unattributed"


def _signed(one: Moved) -> str:
    return f"{'+' if one.difference > 0 else ''}{wording.exact(one.difference)}"
