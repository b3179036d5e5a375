"""Periods: whether the books tie out."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from chargeback.ledger import reconcile
from chargeback.periods import Period
from entrypoints.api import shapes, wire
from entrypoints.api.access import Reviewer, books
from entrypoints.api.answers import answer
from entrypoints.api.documented import READING, answers
from entrypoints.api.requests_in import Route

routes = APIRouter(tags=["periods"], route_class=Route)


@routes.get(
    "/periods/{period}/reconciliation", responses=answers(shapes.ReconciliationAnswer, READING)
)
def reconciliation(
    period: Annotated[str, Path(description="A month like 2026-10, or days.")], caller: Reviewer
) -> Response:
    """Reconcile a period: what came in per source, where it is now, and what rounding did."""
    asked = Period.parse(period)
    with books(caller, is_snapshot=True) as connection:
        found = reconcile.reconcile(connection, asked)
    return answer({"reconciliation": wire.figures(found.as_json())})
