"""The headers that every answer bears, whatever it is about: nothing is guessed, framed, kept or told on."""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
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


class Guarding:
    """A layer of the application that adds what an answer does not say itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and mark its answer."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_page = headers.get("content-type", "").startswith("text/html")
                policy = FRAMED_BY_NOBODY if is_page else DATA_ONLY
                for name, value in {**HEADERS, "Content-Security-Policy": policy}.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, marked)
