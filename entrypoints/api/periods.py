"""Periods: whether the books tie out."""

from fastapi import APIRouter, Response

from entrypoints.api.access import Reviewer

routes = APIRouter(tags=["periods"])


@routes.get("/periods/{period}/reconciliation")
def reconciliation(period: str, caller: Reviewer) -> Response:
    """Soon."""
    raise NotImplementedError
