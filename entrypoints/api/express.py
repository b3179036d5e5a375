"""The short way of the one request that comes by the thousand: POST /usage.

Owns the way only. Policy, reading, booking and answering are the route's own functions; what is passed by is the
framework's search for the route and its reading of parameters, of which this request has none: a good part of the
event loop's time.
"""

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from chargeback.errors import ChargebackError
from entrypoints.api.access import RUN
from entrypoints.api.answers import refused
from entrypoints.api.usage import record_usage
from entrypoints.api.wire import ROOT

PATH = f"{ROOT}/usage"


class Express:
    """A layer of the application that answers posts of usage; everything else goes the long way."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a post of usage without parameters, pass any other request on."""
        is_post = scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == PATH
        if not is_post or scope["query_string"]:
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await record_usage(request, await RUN(request))
        except ChargebackError as error:
            response = refused(request, error)
        await response(scope, receive, send)
