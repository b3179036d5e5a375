"""Allocations: made, answered, and followed back to their usage."""

from fastapi import APIRouter, Response

from entrypoints.api.access import Reader, Runner

routes = APIRouter(tags=["allocations"])


@routes.post("/allocate")
def allocate(caller: Runner) -> Response:
    """Soon."""
    raise NotImplementedError


@routes.get("/allocations/{allocation_id}/usage")
def allocation_usage(allocation_id: str, caller: Reader) -> Response:
    """Soon."""
    raise NotImplementedError
