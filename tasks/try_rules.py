"""Try draft rules on a period."""

from typing import Any

from chargeback import payers_file
from chargeback.ledger.what_if import what_if
from chargeback.money import written
from chargeback.periods import Period
from tasks.steps import step


@step("try rules on {period}")
def try_rules(period: str, draft: str, actor: str) -> dict[str, Any]:
    """What each team would bear of the period under a draft, and what its rules would take. Rerun: nothing is kept."""
    found = what_if(Period.parse(period), payers_file.read(draft, "the draft"), actor)
    return {
        "moved": written(found.moved),
        "currency": found.currency,
        "taken": [
            {"rule": one.rule_id, "takes": written(one.cost), "days": one.days} for one in found.taken
        ],
        "teams": [
            {"payer": one.team_id or one.user_id or "nobody", "bears now": written(one.now),
             "then": written(one.then), "difference": written(one.difference)}
            for one in sorted(found.by_team, key=lambda one: one.difference)
        ],
    }  # fmt: skip
