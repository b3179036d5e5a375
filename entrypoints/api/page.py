"""The OpenAPI document, and a page that shows it to people without asking any other host for anything."""

import json
from itertools import groupby
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, select_autoescape

from chargeback.ledger.shares import ShareName
from chargeback.periods import Period
from entrypoints.api import document
from entrypoints.api.access import Anyone
from entrypoints.api.answers import answer

routes = APIRouter(dependencies=[Anyone], include_in_schema=False)
_TEMPLATES = Environment(
    loader=PackageLoader("entrypoints.api", "templates"),
    autoescape=select_autoescape(),
    trim_blocks=True,
    lstrip_blocks=True,
)


@routes.get("/openapi.json")
async def openapi_document(request: Request) -> Response:
    """The OpenAPI document of this server."""
    return answer(document.openapi(request.app))


@routes.get("/docs")
async def docs(request: Request) -> Response:
    """Every endpoint with its parameters, its answers and a command to try it."""
    base = str(request.base_url).rstrip("/")
    described = document.openapi(request.app)
    page = _TEMPLATES.get_template("docs.html").render(
        title=described["info"]["title"],
        description=described["info"]["description"],
        subjects=[
            (name, list(found)) for name, found in groupby(operations(described, base), _subject)
        ],
    )
    return HTMLResponse(page)


class Field(NamedTuple):
    """One thing a request may say: a parameter of its path or query, or a field of its body."""

    name: str
    place: str
    what: str


class Operation(NamedTuple):
    """One endpoint as the page shows it."""

    method: str
    path: str
    subject: str
    summary: str
    description: str
    fields: list[Field]
    answers: list[tuple[str, str]]
    command: str


def _subject(one: Operation) -> str:
    return one.subject


def operations(described: dict[str, Any], base: str) -> list[Operation]:
    """The endpoints of an OpenAPI document, in its order."""
    return [
        Operation(
            method.upper(),
            path,
            said.get("tags", ["server"])[0],
            said["summary"],
            said["description"].partition("\n")[2].strip(),
            [*_parameters(said), *_body_fields(said)],
            sorted((status, one["description"]) for status, one in said["responses"].items()),
            command(method.upper(), path, said, base),
        )
        for path, methods in described["paths"].items()
        for method, said in methods.items()
    ]


def _parameters(said: dict[str, Any]) -> list[Field]:
    return [
        Field(one["name"], _placed(one["in"], one.get("required", False)), _what(one))
        for one in said.get("parameters", [])
    ]


def _body_fields(said: dict[str, Any]) -> list[Field]:
    content = said.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    required = schema.get("required", [])
    return [
        Field(name, _placed("body", name in required), _what(one))
        for name, one in schema.get("properties", {}).items()
    ]


def _placed(place: str, is_required: bool) -> str:
    return f"{place}, required" if is_required else place


def _what(one: dict[str, Any]) -> str:
    """What is said of a field; where nothing is, what kind of value it takes."""
    schema = one.get("schema", one)
    return str(one.get("description") or schema.get("description") or _kind(schema))


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(f"`{word}`" for word in schema["enum"])
    kinds = [part.get("type") for part in schema.get("anyOf", [schema])]
    words = {
        "string": "text",
        "array": "list",
        "boolean": "true or false",
        "integer": "whole number",
    }
    return " or ".join(words.get(kind, kind) for kind in kinds if kind and kind != "null")


_EXAMPLES = {
    "period_start": "2024-01-01T00:00:00Z",
    "period_end": "2024-01-31T23:59:59Z",
    "period": "2024-01",
    "team_id": "team-123",
    "user_id": "user-456",
    "rule_id": "team-equal-split",
    "invoice_id": "INV-20240101-0001",
    "position": "1",
    "usage_id": "call-1",
    "allocation_id": str(ShareName("by_usage", "team-123", "user-456", Period.month("2024-01"))),
}


def command(method: str, path: str, said: dict[str, Any], base: str) -> str:
    """A curl command that asks the endpoint with what it cannot do without."""
    asked = []
    for parameter in said.get("parameters", []):
        name = parameter["name"]
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", _EXAMPLES.get(name, name.upper()))
        elif parameter.get("required"):
            asked.append(f"{name}={_EXAMPLES.get(name, name.upper())}")
    url = base + path + ("?" + "&".join(asked) if asked else "")
    verb = "curl" if method == "GET" else f"curl -X {method}"
    out = " -o invoice.pdf" if path.endswith("/pdf") else ""
    return f"{verb} '{url}'{out}" + _body(said.get("requestBody", {}).get("content", {}))


def _body(content: dict[str, Any]) -> str:
    """The rest of a command that sends the first kind of body there is an example of."""
    for media_type, body in content.items():
        example = body["example"]
        if isinstance(example, str):
            lines = example.rstrip("\n").replace("\n", "\\n")
            return f" \\\n  -H 'Content-Type: {media_type}' --data-binary $'{lines}'"
        written = json.dumps(example).replace("'", "'\\''")
        return f" \\\n  -H 'Content-Type: {media_type}' -d '{written}'"
    return ""
