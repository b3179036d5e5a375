"""A cost tracker over HTTP, with the real one's bodies, its date filter, and failures on demand."""

import csv
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

Body = Literal["object", "string", "list", "csv"]
HEADER = (
    "Call ID,Timestamp,Provider,Model,Agent ID,Prompt Tokens,Completion Tokens,"
    "Total Tokens,Cost (USD),Operation Type"
)


@dataclass
class Canned:
    """One answer that is given instead of the export."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    announced_bytes: int | None = None
    is_length_announced: bool = True
    delay_seconds: float = 0


@dataclass
class FakeTracker:
    """What the tracker holds and how it answers; `asked` is each request's query and headers."""

    records: list[dict[str, Any]]
    body: Body = "object"
    content_type: str | None = None
    canned: list[Canned] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def export(self, start_date: str | None, end_date: str | None) -> bytes:
        """The records whose timestamp, as text, is from `start_date` to `end_date`, both included."""
        chosen = [
            record
            for record in self.records
            if (not start_date or record["timestamp"] >= start_date)
            and (not end_date or record["timestamp"] <= end_date)
        ]
        return body_of(chosen, self.body)


def body_of(records: list[dict[str, Any]], body: Body) -> bytes:
    """The export of `records` in one of its four forms, byte for byte as the tracker writes it."""
    if body == "csv":
        return _csv(records).encode()
    if body == "list":
        return json.dumps(records).encode()
    summary = {
        "total_cost": sum(record["cost_usd"] for record in records),
        "total_calls": len(records),
        "total_tokens": sum(record["total_tokens"] for record in records),
    }
    text = json.dumps({"records": records, "summary": summary}, indent=2)
    return (json.dumps(text) + "\n" if body == "string" else text).encode()


def _csv(records: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER.split(","))
    for record in records:
        writer.writerow(
            [
                record["call_id"],
                record["timestamp"],
                record["provider"],
                record["model"],
                record["agent_id"] or "",
                record["prompt_tokens"],
                record["completion_tokens"],
                record["total_tokens"],
                f"{record['cost_usd']:.6f}",
                record["operation_type"],
            ]
        )
    return out.getvalue()


@contextmanager
def serving(tracker: FakeTracker) -> Iterator[FakeTracker]:
    """The tracker on a port of its own until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(tracker))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    tracker.url = f"http://127.0.0.1:{server.server_port}/api/cost/export"
    try:
        yield tracker
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler_of(tracker: FakeTracker) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            tracker.asked.append(query)
            tracker.headers.append({key.lower(): value for key, value in self.headers.items()})
            with suppress(BrokenPipeError, ConnectionResetError):
                self._answer(tracker.canned.pop(0) if tracker.canned else self._export(query))

        def _export(self, query: dict[str, str]) -> Canned:
            kind = "text/csv" if tracker.body == "csv" else "application/json"
            return Canned(
                headers={"Content-Type": tracker.content_type or kind},
                body=tracker.export(query.get("start_date"), query.get("end_date")),
            )

        def _answer(self, answer: Canned) -> None:
            time.sleep(answer.delay_seconds)
            self.send_response(answer.status)
            for key, value in answer.headers.items():
                self.send_header(key, value)
            if answer.is_length_announced:
                length = answer.announced_bytes or len(answer.body)
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    return Handler
