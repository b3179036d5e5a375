"""The application: its routes, its errors, its OpenAPI document."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from entrypoints.api import (
    access_audit,
    allocations,
    explanations,
    health,
    invoices,
    page,
    periods,
    reports,
    rules,
    site_files,
    usage,
    usage_batches,
)
from entrypoints.api.answers import handle_errors
from entrypoints.api.express import Express
from entrypoints.api.guarding import Guarding
from entrypoints.api.threads import bound_threads
from entrypoints.api.wire import ROOT
from entrypoints.api.writer import Writer

SUBJECTS = (
    usage, usage_batches, rules, allocations, invoices, explanations, reports, periods, access_audit,
)  # fmt: skip
VERSION = "1"
DESCRIPTION = (
    "Charges what AI agents, data platforms and clouds cost back to the teams and users who caused it. "
    "Amounts and quantities are JSON numbers with all their digits; they are taken from numbers or text."
)


def make_app() -> FastAPI:
    """The API over the ledger that the settings name."""
    app = FastAPI(
        title="Chargeback",
        description=DESCRIPTION,
        version=VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    guide = APIRouter(prefix=ROOT)
    for subject in SUBJECTS:
        guide.include_router(subject.routes)
    app.include_router(guide)
    app.include_router(health.routes)
    app.include_router(page.routes)
    app.include_router(site_files.routes)
    app.add_middleware(Express)
    app.add_middleware(Guarding)
    handle_errors(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One writer for the life of the process; what waits when it ends is written first."""
    bound_threads()
    writer = app.state.writer = Writer()
    try:
        yield
    finally:
        await writer.close()
