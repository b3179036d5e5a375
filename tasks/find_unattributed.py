"""Find the cost that nobody owns."""

from typing import Any

from chargeback.ledger.database import snapshot
from chargeback.ledger.unattributed import unattributed
from chargeback.money import written
from chargeback.periods import Period
from tasks.steps import step


@step("find unattributed cost of {period}")
def find_unattributed(period: str) -> dict[str, Any]:
    """What of the period's cost nobody owns, and the owners that would clear most of it. Rerun: only reads."""
    with snapshot() as connection:
        view = unattributed(connection, Period.parse(period))
    return {
        "cost": written(view.cost),
        "whole": written(view.whole),
        "currency": view.currency,
        "keyless": written(view.keyless),
        "cleared": written(view.cleared),
        "owners": [
            {"owner_of": o.kind.value, "named": o.key, "cost": written(o.cost), "rows": o.record_count,
             "first": o.first_date.isoformat(), "last": o.last_date.isoformat()}
            for o in view.owners
        ],
        "groups": [
            {"source": g.source, "account": g.account_id, "tag": g.owner_tag, "agent": g.agent_id,
             "cost": written(g.cost), "rows": g.record_count}
            for g in view.groups
        ],
    }  # fmt: skip
