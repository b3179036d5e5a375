"""What a route's OpenAPI entry needs beyond its signature: its body, its answers, its errors."""

from typing import Any

from pydantic import BaseModel

from entrypoints.api.shapes import Problem

_WHY = {
    400: "What was sent is wrong.",
    401: "No token, or none that is good.",
    403: "The token's role may not do this.",
    404: "There is no such thing.",
    409: "The business says no.",
    413: "The body is too large.",
    415: "The body is in no form that is read here.",
    503: "The ledger cannot work just now; try again after Retry-After seconds.",
}
READING = (400, 401, 403, 503)
FINDING = (*READING, 404)
WRITING = (*READING, 409, 413, 415)
CHANGING = (*WRITING, 404)
Answers = dict[int | str, dict[str, Any]]


def answers(model: type[BaseModel], errors: tuple[int, ...], *statuses: int) -> Answers:
    """The answers of a route: `model` with each of `statuses` (200 where none is given), and its errors."""
    said = (model.__doc__ or "").partition("\n")[0]
    good: Answers = {status: {"model": model, "description": said} for status in statuses or (200,)}
    return good | {status: {"model": Problem, "description": _WHY[status]} for status in errors}


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """The body of a route, which it reads itself so that no digit is lost."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})
    schema = _whole(schema, parts)
    example = schema.pop("example", None)
    content: dict[str, Any] = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def _whole(schema: Any, parts: dict[str, Any]) -> Any:
    """The schema with its parts in their places: a body is in no component that FastAPI knows."""
    if isinstance(schema, list):
        return [_whole(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _whole(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {name: _whole(one, parts) for name, one in schema.items()}
