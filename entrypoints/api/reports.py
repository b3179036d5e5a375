"""Reports: what a team or user used, bears and was billed."""

from typing import Any, Literal

from fastapi import APIRouter, Response

from chargeback import money
from chargeback.errors import NotFound
from chargeback.exact_json import figure
from chargeback.ledger import invoice_lists, invoices, shares, usage_reading
from chargeback.ledger.allocation import allocate
from chargeback.ledger.invoice_lists import Asked
from chargeback.ledger.shares import After, Payers
from chargeback.ledger.usage_reading import Whose
from chargeback.periods import Period
from chargeback.quoting import quoted
from chargeback.settings import settings
from chargeback.stretch import Stretch, end_of, start_of
from entrypoints.api import billing_shapes, wire
from entrypoints.api.access import Caller, Reader, books
from entrypoints.api.allocations import MOST_IDS
from entrypoints.api.answers import answer
from entrypoints.api.documented import FINDING, answers
from entrypoints.api.requests_in import MOST_ROWS, End, Route, Start

routes = APIRouter(tags=["reports"], route_class=Route)


@routes.get("/reports/team/{team_id:path}", responses=answers(billing_shapes.ReportAnswer, FINDING))
def team_report(team_id: str, caller: Reader, period_start: Start, period_end: End) -> Response:
    """Report on a team: what it used, what it bears, what it was billed, in whole days."""
    return _report(caller, "team", team_id, period_start, period_end)


@routes.get("/reports/user/{user_id:path}", responses=answers(billing_shapes.ReportAnswer, FINDING))
def user_report(user_id: str, caller: Reader, period_start: Start, period_end: End) -> Response:
    """Report on a user: what it used, what it bears in any team or none, what it was billed, in whole days."""
    return _report(caller, "user", user_id, period_start, period_end)


def _report(
    caller: Caller, kind: Literal["team", "user"], payer_id: str, start: str, end: str
) -> Response:
    period, is_widened = Period.between(start, end, settings().zone)
    # Allocation is derived state: whoever asks finds the days of the period up to date.
    allocate(period.end, period.start)
    team_id, user_id = (payer_id, None) if kind == "team" else (None, payer_id)
    team_asked = caller.asks_for(team_id)
    stretch = Stretch.of(period)
    with books(caller, is_snapshot=True) as connection:
        is_hidden = kind == "team" and not caller.sees(payer_id)
        if is_hidden or not usage_reading.is_known(connection, kind, payer_id):
            raise NotFound(
                f"{kind}_not_found",
                f"there is no {kind} {quoted(payer_id)}; look at how its usage names it",
            )
        used = usage_reading.summary(connection, stretch, Whose(team_asked, user_id))
        found = shares.shares(
            connection, period, Payers(team_asked, user_id), After(), MOST_ROWS, MOST_IDS
        )
        ids = invoice_lists.newest(
            connection, Asked(team_asked, user_id, period=period), 2**63 - 1, MOST_ROWS
        )
        views = invoices.views(connection, ids, with_annex=False)
    report: dict[str, Any] = {
        f"{kind}_id": payer_id,
        "period_start": start_of(period),
        "period_end": end_of(period),
        "period_widened": is_widened,
        "usage_summary": wire.summary(used, stretch, team_id, user_id),
        "allocations": [wire.allocation(one) for one in found],
        "invoices": [wire.invoice(view) for view in reversed(views)],
        "total_cost_usd": figure(money.exact_sum(one.cost for one in found)),
    }
    return answer({"report": report})
