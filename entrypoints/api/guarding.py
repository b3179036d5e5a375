"""The headers that every answer bears, whatever it is about: nothing is guessed, framed, kept or told on."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
# Answers are data: a browser that is led to one runs and loads nothing. The page /docs is the exception.
DATA_ONLY = "default-src 'none'; frame-ancestors 'none'"
FRAMED_BY_NOBODY = "frame-ancestors 'none'"


def _written(policy: str) -> tuple[tuple[bytes, bytes], ...]:
    """All of them as they go over the wire, worked out once: each of a thousand answers a second bears them."""
    headers = {**HEADERS, "Content-Security-Policy": policy}
    return tuple((name.lower().encode(), value.encode()) for name, value in headers.items())


_OF_DATA, _OF_PAGES = _written(DATA_ONLY), _written(FRAMED_BY_NOBODY)


class Guarding:
    """A layer of the application that adds what an answer does not say itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and mark its answer."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = dict(message["headers"])
                is_page = said.get(b"content-type", b"").startswith(b"text/html")
                guards = _OF_PAGES if is_page else _OF_DATA
                message["headers"] = [
                    *message["headers"], *(pair for pair in guards if pair[0] not in said)
                ]  # fmt: skip
            await send(message)

        await self.app(scope, receive, marked)
