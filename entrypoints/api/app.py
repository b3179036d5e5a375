"""The application: its routes, its errors, its OpenAPI document."""

from fastapi import APIRouter, FastAPI

from entrypoints.api import allocations, health, invoices, periods, reports, rules, usage

ROOT = "/api/chargeback"


def make_app() -> FastAPI:
    """The API over the ledger that the settings name."""
    app = FastAPI(title="Chargeback", docs_url="/docs", redoc_url=None, openapi_url="/openapi.json")
    guide = APIRouter(prefix=ROOT)
    for subject in (usage, rules, allocations, invoices, reports, periods):
        guide.include_router(subject.routes)
    app.include_router(guide)
    app.include_router(health.routes)
    return app
