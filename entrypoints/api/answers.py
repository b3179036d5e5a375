"""What goes back: JSON with all digits, and errors in one sentence.

Owns the form `{"error", "code", "details"}`; a trace never leaves the process.
"""

import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from chargeback import exact_json
from chargeback.errors import ChargebackError, Unauthenticated, Unavailable
from entrypoints.api.access import SITE

log = logging.getLogger("chargeback.api")

JSON = "application/json"
RETRY_AFTER_SECONDS = 2
_CODES = {404: "path_unknown", 405: "method_not_allowed"}


class Detailed(Exception):
    """An error of ours with details for a program: what would be allowed instead."""

    def __init__(self, error: ChargebackError, details: list[Any]) -> None:
        super().__init__(str(error))
        self.error = error
        self.details = details


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`content` as a JSON answer."""
    return Response(exact_json.dumps(content), status, headers, JSON)


def refusal(
    status: int,
    code: str,
    sentence: str,
    details: list[Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """An error as a client reads it."""
    body = {"error": sentence, "code": code, "details": details or []}
    return answer(body, status, headers)


def handle_errors(app: FastAPI) -> None:
    """Have every error answered in the one form."""
    app.add_exception_handler(ChargebackError, refused)
    app.add_exception_handler(Detailed, _detailed)
    app.add_exception_handler(RequestValidationError, _parameters)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)


def refused(request: Request, error: Exception) -> Response:
    """What an error of ours is answered."""
    assert isinstance(error, ChargebackError), "the handler of our own errors"
    if type(error).http_status == 500:
        return _bug(request, error)
    headers = _headers_of(request, error)
    return refusal(error.http_status, error.code, error.message, headers=headers)


def _detailed(_: Request, error: Exception) -> Response:
    assert isinstance(error, Detailed), "the handler of errors with details"
    ours = error.error
    return refusal(ours.http_status, ours.code, ours.message, error.details)


def _headers_of(request: Request, error: ChargebackError) -> dict[str, str]:
    if isinstance(error, Unavailable):
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    if isinstance(error, Unauthenticated):
        # A browser asks its user for name and password then; the API's programs are told of tokens.
        is_site = request.url.path == SITE or request.url.path.startswith(f"{SITE}/")
        return {
            "WWW-Authenticate": 'Basic realm="Chargeback", charset="UTF-8"' if is_site else "Bearer"
        }
    return {}


def _parameters(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError), "the handler of what FastAPI refuses"
    faults = [
        {"field": str(fault["loc"][-1]), "reason": str(fault["msg"])} for fault in error.errors()
    ]
    first = faults[0]
    sentence = (
        f"{first['field']}: {first['reason'].lower()}; correct it and send the request again."
    )
    return refusal(400, "parameter_invalid", sentence, faults)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "the handler of what the router refuses"
    code = _CODES.get(error.status_code, "request_invalid")
    if error.status_code == 405:
        sentence = f"{request.method} is not offered here; see /docs for what is."
    elif error.status_code == 404:
        sentence = "there is nothing under this path; see /docs for what there is."
    else:
        sentence = f"{error.detail}; see /docs."
    return refusal(error.status_code, code, sentence, headers=dict(error.headers or {}))


def _bug(request: Request, error: Exception) -> Response:
    log.error("api.failed method=%s path=%r", request.method, request.url.path, exc_info=error)
    return refusal(
        500, "bug", "this is a mistake of the server, which its log tells of; report it as a bug."
    )
