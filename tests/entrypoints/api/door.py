"""Asking the API in one line each; answers keep every digit."""

from dataclasses import dataclass
from typing import Any

from httpx import Client, Response

from chargeback import exact_json

ROOT = "/api/chargeback"
JANUARY = {"period_start": "2024-01-01T00:00:00Z", "period_end": "2024-01-31T23:59:59Z"}


@dataclass
class Door:
    """What a client may do; a status other than the one expected fails with the answer."""

    client: Client

    def ask(self, method: str, path: str, status: int = 200, **sent: Any) -> Any:
        """The JSON answer, its numbers as int and Decimal."""
        return exact_json.loads(self.answer(method, path, status, **sent).content)

    def answer(self, method: str, path: str, status: int = 200, **sent: Any) -> Response:
        """The whole answer."""
        answer = self.client.request(method, path if path.startswith("//") else ROOT + path, **sent)
        assert answer.status_code == status, answer.text
        return answer

    def get(self, path: str, expected: int = 200, /, **params: Any) -> Any:
        """A GET with these query parameters."""
        return self.ask("GET", path, expected, params=params)

    def post(self, path: str, body: Any, status: int = 200, **sent: Any) -> Any:
        """A POST of this JSON value, or of this text."""
        content = {"content": body} if isinstance(body, str | bytes) else {"json": body}
        headers = {"Content-Type": "application/json", **sent.pop("headers", {})}
        return self.ask("POST", path, status, headers=headers, **content, **sent)

    def put(self, path: str, body: Any, status: int = 200) -> Any:
        """A PUT of this JSON value."""
        return self.ask("PUT", path, status, json=body)

    def delete(self, path: str, status: int = 200) -> Any:
        """A DELETE."""
        return self.ask("DELETE", path, status)

    def use(
        self, cost: str = "1", day: str = "2024-01-05", status: int = 201, **fields: Any
    ) -> Any:
        """Record usage at noon of a day; what is held of it then."""
        body = {"cost_usd": cost, "timestamp": f"{day}T12:00:00Z", **fields}
        return self.post("/usage", body, status)["usage_record"]
