"""Usage: recorded one by one or by the batch, listed, summed up."""

from fastapi import APIRouter, Response

from entrypoints.api.access import Reader, Runner

routes = APIRouter(tags=["usage"])


@routes.post("/usage")
def record_usage(caller: Runner) -> Response:
    """Soon."""
    raise NotImplementedError


@routes.post("/usage/batch")
def record_batch(caller: Runner) -> Response:
    """Soon."""
    raise NotImplementedError


@routes.get("/usage")
def list_usage(caller: Reader) -> Response:
    """Soon."""
    raise NotImplementedError


@routes.get("/usage/summary")
def usage_summary(caller: Reader) -> Response:
    """Soon."""
    raise NotImplementedError
