"""Whether the server lives, and whether it can work."""

from fastapi import APIRouter, Response

from chargeback.errors import Unavailable
from chargeback.ledger import database
from entrypoints.api import shapes
from entrypoints.api.access import Anyone
from entrypoints.api.answers import answer
from entrypoints.api.documented import answers
from entrypoints.api.requests_in import Route

routes = APIRouter(tags=["health"], dependencies=[Anyone], route_class=Route)


@routes.get("/health", responses=answers(shapes.Health, (400,)))
async def health() -> Response:
    """Say that the server lives."""
    return answer({"status": "ok"})


@routes.get("/ready", responses=answers(shapes.Ready, (400, 503)))
def ready() -> Response:
    """Say whether the ledger answers and has the schema that this server is made for."""
    with database.transaction() as connection:
        held = database.version(connection)
    newest = database.newest_version()
    if held != newest:
        raise Unavailable(
            "schema_not_current",
            f"the ledger's schema is at version {held or 'none'} and this server is made for {newest}; "
            "run `chargeback db upgrade`",
        )
    return answer({"status": "ready", "schema_version": newest})
