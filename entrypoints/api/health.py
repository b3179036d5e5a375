"""Whether the server lives, and whether it can work."""

from fastapi import APIRouter, Response

from entrypoints.api.access import Anyone

routes = APIRouter(tags=["health"], dependencies=[Anyone])


@routes.get("/health")
async def health() -> Response:
    """Soon."""
    raise NotImplementedError


@routes.get("/ready")
def ready() -> Response:
    """Soon."""
    raise NotImplementedError
