"""The OpenAPI document: what FastAPI finds in the routes, less what is never answered."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi


def openapi(app: FastAPI) -> dict[str, Any]:
    """The document of the application; made once."""
    if app.openapi_schema is None:
        described = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        for operations in described["paths"].values():
            for operation in operations.values():
                _correct(operation)
        # FastAPI's own form of a refusal; ours is `Problem`.
        for unused in ("HTTPValidationError", "ValidationError"):
            described["components"]["schemas"].pop(unused, None)
        app.openapi_schema = described
    return app.openapi_schema


def _correct(operation: dict[str, Any]) -> None:
    """Every refusal is ours: 422 is answered as 400. The summary is the first sentence of what is said."""
    operation["summary"] = operation["description"].partition("\n")[0].rstrip(".")
    operation["responses"].pop("422", None)
    operation["operationId"] = operation["operationId"].partition("_api_chargeback")[0]
