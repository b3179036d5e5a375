"""Share billed cost anew, as rules and owners say today."""

from typing import Any

from chargeback.ledger.reallocation import reallocate
from chargeback.money import written
from chargeback.periods import Period
from tasks.steps import step


@step("reallocate {period}")
def reallocate_costs(period: str, reason: str, actor: str, is_dry_run: bool) -> dict[str, Any]:
    """Book, or with `is_dry_run` only show, what moves. Rerun: what was moved stays; nothing moves twice."""
    moved = reallocate(Period.parse(period), reason, actor, is_dry_run)
    return {
        "cells": moved.cells,
        "moved_cost": written(moved.moved_cost),
        "shares": [
            {"payer": str(share.payer or "nobody"), "gives back": written(share.gives_back),
             "takes on": written(share.takes_on), "difference": written(share.difference),
             "written off": "yes" if share.is_written_off else ""}
            for share in moved.shares
        ],
    }  # fmt: skip
