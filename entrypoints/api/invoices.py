"""Invoices: drafted, listed, moved, drawn."""

from fastapi import APIRouter, Response

from entrypoints.api.access import Reader, Runner

routes = APIRouter(tags=["invoices"])


@routes.post("/invoices")
def create_invoice(caller: Runner) -> Response:
    """Soon."""
    raise NotImplementedError


@routes.get("/invoices")
def list_invoices(caller: Reader) -> Response:
    """Soon."""
    raise NotImplementedError


@routes.get("/invoices/{invoice_id}")
def get_invoice(invoice_id: str, caller: Reader) -> Response:
    """Soon."""
    raise NotImplementedError


@routes.get("/invoices/{invoice_id}/pdf")
def invoice_pdf(invoice_id: str, caller: Reader) -> Response:
    """Soon."""
    raise NotImplementedError


@routes.put("/invoices/{invoice_id}/status")
def move_invoice(invoice_id: str, caller: Runner) -> Response:
    """Soon."""
    raise NotImplementedError
