"""A web server on a port of its own whose answers a test computes; it keeps what it was asked."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]

    def one(self, key: str, usual: str = "") -> str:
        """The first value of a key of the query."""
        return self.query.get(key, [usual])[0]


@dataclass(frozen=True)
class Answer:
    """One response; a body that is no text is written as JSON, floats as the float they are."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The body as bytes."""
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


@dataclass
class Web:
    """A running server: where it is and what it was asked."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def answering(
    answer: Callable[[Asked], Answer], context: ssl.SSLContext | None = None
) -> Iterator[Web]:
    """A server that answers with what `answer` gives, until the block ends; with `context`, over TLS."""
    web = Web("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(web, answer))
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    web.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(web: Web, answer: Callable[[Asked], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {key.lower(): value for key, value in self.headers.items()}
            asked = Asked(parts.path, parse_qs(parts.query), headers)
            web.asked.append(asked)
            given = answer(asked)
            with suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(given.status)
                for key, value in {"Content-Type": "application/json", **given.headers}.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(given.content)))
                self.end_headers()
                self.wfile.write(given.content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
