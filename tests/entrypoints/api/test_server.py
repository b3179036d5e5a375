"""The API as a process: what it acknowledged is booked, however it ends, and posts lose nothing to sealing."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from chargeback.ledger.allocation import allocate
from chargeback.ledger.database import snapshot
from chargeback.ledger.verify import verify
from chargeback.periods import Period
from chargeback.settings import ROOT
from tests.conftest import Ledger
from tests.entrypoints.api.door import JANUARY, Door
from tests.entrypoints.api.door import ROOT as API
from tests.entrypoints.conftest import free_port
from tests.ledger.books import Books


@contextmanager
def process(ledger: Ledger) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The server's own process, and where it is reached."""
    port = free_port()
    environment = {**os.environ, "CHARGEBACK_API_PORT": str(port)}
    server = subprocess.Popen(
        [sys.executable, "-m", "entrypoints.api.server"],
        env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            httpx.get(f"{address}/health", trust_env=False)
            break
        except httpx.HTTPError:
            time.sleep(0.1)
    try:
        yield server, address
    finally:
        server.kill()
        server.communicate()


class Posting(threading.Thread):
    """Posts one fact after the other until it is enough or the server is gone; the ids that were acknowledged."""

    def __init__(self, address: str, name: str) -> None:
        super().__init__(name=name)
        self.address = address
        self.acknowledged: list[str] = []
        self.is_enough = threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self.address + API, trust_env=False) as client:
            for number in range(100_000):
                if self.is_enough.is_set():
                    return
                usage_id = f"{self.name}-{number}"
                try:
                    answer = client.post(
                        "/usage", json={"cost_usd": 1, "usage_id": usage_id, "team_id": self.name}
                    )
                except httpx.HTTPError:
                    return
                if answer.status_code == 201:
                    self.acknowledged.append(usage_id)
                elif answer.status_code != 503:
                    return


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["told to end", "killed"])
def test_what_was_acknowledged_is_booked(books: Books, number: signal.Signals) -> None:
    with process(books.ledger) as (server, address):
        clients = [Posting(address, f"client-{n}") for n in range(8)]
        for client in clients:
            client.start()
        time.sleep(1.5)
        server.send_signal(number)
        for client in clients:
            client.join(30)
        assert server.wait(20) == -number
    acknowledged = {one for client in clients for one in client.acknowledged}
    held = {row[0] for row in books.query("SELECT external_id FROM usage_records")}
    assert len(acknowledged) > 8
    assert acknowledged <= held
    if number == signal.SIGTERM:
        assert acknowledged == held  # nothing was booked that nobody was told of
    allocate(Period.month("2199-12").end)
    with snapshot() as connection:
        assert verify(connection) == []
    ((cost,),) = books.query("SELECT sum(cost) FROM allocations")
    assert cost == len(held)


def test_allocating_while_posts_come_in_loses_none(books: Books, address: str) -> None:
    clients = [Posting(address, f"client-{n}") for n in range(4)]
    for client in clients:
        client.start()
    until = time.monotonic() + 3
    seals = 0
    while time.monotonic() < until:
        allocate(Period.month("2199-12").end)
        seals += 1
    for client in clients:
        client.is_enough.set()
        client.join()
    acknowledged = {one for client in clients for one in client.acknowledged}
    assert seals > 2
    held = [row[0] for row in books.query("SELECT external_id FROM usage_records")]
    assert sorted(held) == sorted(acknowledged)
    allocate(Period.month("2199-12").end)
    ((cost,),) = books.query("SELECT sum(cost) FROM allocations")
    assert cost == len(held)
    with snapshot() as connection:
        assert verify(connection) == []


def test_two_posts_of_one_id_at_once_are_one_record(address: str) -> None:
    body = {"cost_usd": 1, "usage_id": "same", "timestamp": "2024-01-05T12:00:00Z"}
    statuses: list[int] = []

    def post() -> None:
        answer = httpx.post(f"{address}{API}/usage", json=body, trust_env=False, timeout=60)
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=post) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 11 + [201]


def test_one_that_cannot_be_booked_spoils_no_other(door: Door, books: Books) -> None:
    """A post that Postgres refuses, in the same batch as good ones, is answered alone."""
    books.damage("ALTER TABLE teams ADD CONSTRAINT no_bad CHECK (team_id <> 'bad')")
    answers: dict[str, int] = {}

    def post(team: str) -> None:
        sent = {"cost_usd": 1, "team_id": team, "timestamp": JANUARY["period_start"]}
        answers[team] = door.client.post(f"{API}/usage", json=sent).status_code

    threads = [threading.Thread(target=post, args=(team,)) for team in ("a", "bad", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {"a": 201, "b": 201, "c": 201, "bad": 500}
    assert len(door.get("/usage")["usage"]) == 3
