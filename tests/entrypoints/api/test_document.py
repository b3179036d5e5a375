"""The OpenAPI document and its page: true to the routes, and shown without any other host."""

import re
import subprocess
from pathlib import Path

from fastapi import FastAPI

from chargeback.settings import ROOT
from entrypoints.api.document import openapi
from entrypoints.api.page import operations
from entrypoints.api.readme import BASE, section
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


def test_the_readme_lists_every_endpoint_as_the_document_does() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert section() in text, "put in what `python -m entrypoints.api.readme` prints"


def test_every_command_of_the_readme_works_in_its_order(address: str, tmp_path: Path) -> None:
    commands = section().removeprefix("```sh\n").removesuffix("```\n")
    found = re.split(r"^# .*\n", commands.replace(BASE, address), flags=re.MULTILINE)[1:]
    assert len(found) >= 22
    for command in found:
        done = subprocess.run(
            ["bash", "-c", f"{command.strip()} -s -w '%{{stderr}}%{{http_code}}' --noproxy '*'"],
            capture_output=True, text=True, cwd=tmp_path,
        )  # fmt: skip
        assert done.stderr in ("200", "201"), (command, done.stdout)
    assert (tmp_path / "invoice.pdf").read_bytes().startswith(b"%PDF-")
