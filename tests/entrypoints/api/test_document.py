"""The OpenAPI document and its page: true to the routes, and shown without any other host."""

import re

from fastapi import FastAPI

from entrypoints.api.document import openapi
from entrypoints.api.page import operations
from tests.entrypoints.api.door import Door

GUIDES = {
    "POST /usage", "GET /usage/summary", "GET /allocation-rules", "POST /allocation-rules",
    "GET /allocation-rules/{rule_id}", "PUT /allocation-rules/{rule_id}", "DELETE /allocation-rules/{rule_id}",
    "POST /allocate", "POST /invoices", "GET /invoices", "GET /invoices/{invoice_id}",
    "PUT /invoices/{invoice_id}/status", "GET /reports/team/{team_id}", "GET /reports/user/{user_id}",
}  # fmt: skip


def test_every_endpoint_of_the_guide_is_documented(app: FastAPI) -> None:
    found = {f"{one.method} {one.path}" for one in operations(openapi(app), "")}
    assert {one.replace(" /", " /api/chargeback/") for one in GUIDES} <= found


def test_every_reference_of_the_document_leads_somewhere(app: FastAPI) -> None:
    document = openapi(app)
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    used = set(re.findall(r"#/components/schemas/\w+", str(document["paths"])))
    assert used <= known
    assert "422" not in str(document["paths"])


def test_the_page_shows_every_endpoint_and_asks_no_other_host(door: Door) -> None:
    page = door.client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for one in operations(door.client.get("/openapi.json").json(), ""):
        assert one.path in page.text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)
