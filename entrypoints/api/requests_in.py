"""How requests are read: bodies with every digit, periods, pages, ids.

Owns the refusals of what is wrong before anybody asks what it means.
"""

import base64
import binascii
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from difflib import get_close_matches
from hashlib import sha256
from typing import Annotated, Any, Final, NamedTuple

from fastapi import HTTPException, Query, Request, Response
from fastapi.routing import APIRoute

from chargeback import exact_json
from chargeback.errors import Invalid, TooLarge, UnsupportedMedia
from chargeback.quoting import quoted
from entrypoints.api.access import Call, Caller

LARGEST_BODY_BYTES: Final = 10 * 2**20
MOST_ROWS: Final = 10_000
LONGEST_KEY: Final = 255
IDEMPOTENCY_KEY: Final = "Idempotency-Key"

Limit = Annotated[int | None, Query(ge=1, le=MOST_ROWS, description="Rows in one answer, at most.")]
Cursor = Annotated[
    str | None, Query(description="Where to go on: `next_cursor` of the answer before.")
]
Start = Annotated[
    str, Query(description="First day or instant, like 2026-10-01 or 2026-10-01T00:00:00Z.")
]
End = Annotated[
    str,
    Query(description="Last day or instant; 23:59:59, 00:00:00 and a bare date include their day."),
]


class Route(APIRoute):
    """A route that refuses query parameters it does not know, naming the nearest it does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler behind that check."""
        handle = super().get_route_handler()
        known: list[str] | None = None

        async def checked(request: Request) -> Response:
            nonlocal known
            if "\0" in request.scope["path"]:
                raise HTTPException(404)  # no name holds a NUL
            if request.url.query:
                if known is None:
                    known = [field.alias for field in self.dependant.query_params]
                _refuse_unknown(request, known)
            return await handle(request)

        return checked


def _refuse_unknown(request: Request, known: list[str]) -> None:
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            remedy = (
                f"did you mean {close[0]}" if close else f"there are: {', '.join(known) or 'none'}"
            )
            raise Invalid(
                "parameter_unknown", f"there is no query parameter {quoted(name)}; {remedy}."
            )
        if given.count(name) > 1:
            raise Invalid("parameter_repeated", f"{name} is given twice; give it once.")
    if "\0" in "".join(request.query_params.values()):
        raise Invalid("text_invalid", "a query parameter holds a NUL; remove it.")


async def body_bytes(request: Request, most: int = LARGEST_BODY_BYTES) -> bytes:
    """The whole body. Raises TooLarge without reading on, UnsupportedMedia for a packed one."""
    parts = [part async for part in limited(request, most)]
    return b"".join(parts)


async def limited(request: Request, most: int) -> AsyncIterator[bytes]:
    """The body in parts, up to `most` bytes."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMedia(
            "body_packed", "packed bodies are not read; send it without Content-Encoding."
        )
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise TooLarge(
                "body_too_large", f"the body is larger than {most // 2**20} MB; send it in parts."
            )
        yield part


def is_json(request: Request) -> bool:
    """Whether the body says that it is JSON, or says nothing."""
    given = media_type(request)
    return given in ("", "application/json") or given.endswith("+json")


def media_type(request: Request) -> str:
    """The media type of the body, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def json_body(request: Request) -> "Body":
    """A POST's or PUT's body, with what makes the request the same when it is sent again."""
    if not is_json(request):
        raise UnsupportedMedia(
            "not_json",
            f"the body is {quoted(media_type(request))}; send JSON with Content-Type: application/json.",
        )
    written = await body_bytes(request)
    value = exact_json.loads(written)
    key = idempotency_key(request)
    return Body(value, key, b"" if key is None else _digest(request, written))


class Body(NamedTuple):
    """What a body says, the request's Idempotency-Key, and with one a digest of method, path and body."""

    value: Any
    key: str | None
    digest: bytes

    def call(self, caller: Caller) -> Call:
        """The request as `once` knows it again."""
        return Call(caller, self.key, self.digest)


def idempotency_key(request: Request) -> str | None:
    """The key of the request, if it has one. Raises Invalid for one that cannot be kept."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None:
        return None
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Invalid(
            "idempotency_key_invalid",
            f"{IDEMPOTENCY_KEY} {quoted(key)} cannot be kept; "
            f"send 1 to {LONGEST_KEY} printable ASCII characters.",
        )
    return key


def _digest(request: Request, written: bytes) -> bytes:
    head = f"{request.method} {request.url.path}\n".encode()
    return sha256(head + written).digest()


def write_cursor(*parts: object) -> str:
    """A place in a list as a text to send back."""
    written = json.dumps([str(part) for part in parts], ensure_ascii=False)
    return base64.urlsafe_b64encode(written.encode()).decode().rstrip("=")


def read_cursor(cursor: str, parts: int) -> list[str]:
    """The place that `write_cursor` wrote. Raises Invalid for any other text."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        found = None
    is_place = isinstance(found, list) and len(found) == parts
    if not is_place or not all(isinstance(one, str) and "\0" not in one for one in found):
        raise bad_cursor()
    return list(found)


def bad_cursor() -> Invalid:
    """The refusal of a cursor that no answer gave."""
    return Invalid(
        "cursor_invalid", "this cursor is of no answer; send next_cursor as it was given, or none."
    )
