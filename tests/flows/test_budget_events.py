"""Telling Prefect of budgets: a server that fails, a process that dies, two at once, and still each is told once."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from chargeback.errors import Unavailable
from chargeback.ledger import budgets
from tasks.watch_budgets import watch_budgets
from tests.conftest import Ledger
from tests.ledger.books import Books

AS_OF = date(2026, 10, 11)


class Listener(ThreadingHTTPServer):
    """Takes events as a Prefect server does; the first `failing` of them it refuses as a broken server would."""

    failing = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.heard: list[dict[str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        listener = self.server
        assert isinstance(listener, Listener)
        events = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if listener.failing:
            listener.failing -= 1
            self.send_response(500)
        else:
            listener.heard += events
            self.send_response(204)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        """A server that asks for no token against forged requests has none to give."""
        self.send_response(404)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


@contextmanager
def listening() -> Iterator[Listener]:
    with Listener() as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{listener.server_address[1]}/api"
        try:
            with temporary_settings({PREFECT_API_URL: address}):
                yield listener
        finally:
            listener.shutdown()
            thread.join()


@pytest.fixture
def books(ledger: Ledger) -> Books:
    """Red spent 85 of its 100."""
    books = Books(ledger)
    books.import_yaml("teams: [{id: red, budgets: [{amount: 100}]}]")
    books.use("red", "ana", "85").allocate()
    return books


def test_each_threshold_is_told_once_with_what_was_spent(books: Books) -> None:
    with listening() as listener:
        assert (watch_budgets.fn(AS_OF)["told"], watch_budgets.fn(AS_OF)["told"]) == (2, 0)
    assert [event["payload"]["threshold_percent"] for event in listener.heard] == [50, 80]
    assert {event["event"] for event in listener.heard} == {"chargeback.budget.threshold"}
    assert listener.heard[0]["payload"] == {
        "team": "red", "month": "2026-10", "threshold_percent": 50, "budget": "100", "spent": "85",
    }  # fmt: skip
    assert listener.heard[0]["resource"]["prefect.resource.id"] == "chargeback.team.red"


def test_what_a_broken_server_did_not_take_is_told_by_the_next_run(books: Books) -> None:
    with listening() as listener:
        listener.failing = 1
        with pytest.raises(Unavailable, match="1 budget events could not be sent"):
            watch_budgets.fn(AS_OF)
        assert watch_budgets.fn(AS_OF) | {"over": []} == {"noticed": 0, "told": 1, "over": []}
    assert sorted(event["payload"]["threshold_percent"] for event in listener.heard) == [50, 80]
    assert [
        row.attempts for row in books.query("SELECT attempts FROM budget_alerts ORDER BY alert_id")
    ] == [2, 1]


def test_one_who_dies_after_telling_tells_again_under_the_same_id(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a receiver that knows ids hears of it once: more no sender can promise."""

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with listening() as listener:
        with monkeypatch.context() as patch:
            patch.setattr(budgets, "note_attempt", die)
            with pytest.raises(KeyboardInterrupt):
                watch_budgets.fn(AS_OF)
        assert len(listener.heard) == 1
        assert watch_budgets.fn(AS_OF)["told"] == 2
    ids = [event["id"] for event in listener.heard]
    assert len(ids) == 3
    assert len(set(ids)) == 2


def test_two_at_once_tell_each_once(books: Books) -> None:
    with listening() as listener, ThreadPoolExecutor(2) as pool:
        # Each in a copy of this context, in which the settings say where the server is.
        both = [pool.submit(copy_context().run, watch_budgets.fn, AS_OF) for _ in range(2)]
        counts = [one.result()["told"] for one in both]
    assert sum(counts) == len(listener.heard) == 2


def test_late_usage_of_the_month_before_is_told_of_too(books: Books) -> None:
    with listening() as listener:
        watch_budgets.fn(date(2026, 11, 3))
        books.use("red", "ana", "20", "2026-10-30").allocate()
        assert watch_budgets.fn(date(2026, 11, 3))["noticed"] == 1
        books.use("red", "ana", "1000", "2026-10-30").allocate()
        assert watch_budgets.fn(date(2026, 12, 1))["noticed"] == 0
    assert [event["payload"]["threshold_percent"] for event in listener.heard] == [50, 80, 100]
    assert {event["payload"]["month"] for event in listener.heard} == {"2026-10"}
