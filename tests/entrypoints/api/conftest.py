"""The API on a real server in this process, over a fresh ledger on a real Postgres."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from chargeback.ledger import database
from chargeback.settings import settings
from entrypoints.api.app import make_app
from tests.conftest import Ledger
from tests.entrypoints.api import two_teams
from tests.entrypoints.api.door import Door
from tests.ledger.books import Books, told_once
from tests.ledger.soundness import assert_sound
from tests.postgres import Server

START_SECONDS = 20


@pytest.fixture
def app(ledger: Ledger) -> FastAPI:
    """The application, open as long as no token was made."""
    return make_app()


@pytest.fixture
def books(ledger: Ledger) -> Books:
    """The same ledger from the inside."""
    return Books(ledger)


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application's address while it runs in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started and time.monotonic() < deadline and thread.is_alive():
        time.sleep(0.005)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    """Where the running application is reached."""
    with served(app) as address:
        yield address


@pytest.fixture
def door(address: str) -> Iterator[Door]:
    """A client of it."""
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        yield Door(client)


@pytest.fixture(scope="session")
def two_teams_template(postgres: Server, template: str) -> str:
    """A ledger that holds the story of two teams, told once per process; nobody stays connected to it."""
    return told_once(postgres, template, two_teams.tell)


@pytest.fixture(name="two_teams")
def two_teams_ledger(
    postgres: Server, two_teams_template: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ledger]:
    """A copy of the story's ledger; gone after the test, whose books have to be sound then."""
    name = postgres.create_database(two_teams_template)
    copied = Ledger(postgres.url(name, "chargeback_app"), postgres.url(name))
    monkeypatch.setenv("CHARGEBACK_DATABASE_URL", copied.url)
    settings.cache_clear()
    yield copied
    assert_sound()
    database.engine(copied.url).dispose()
    database.engine.cache_clear()
    postgres.drop_database(name)
