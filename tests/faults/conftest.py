"""A week of the example company, billed once, with a copy of the ledger from before each of its steps."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from chargeback.ledger import database
from chargeback.settings import Settings, settings
from entrypoints.stack import Stack, running
from tests.entrypoints.conftest import free_port, made_home
from tests.faults import billing_process
from tests.faults.dying_process import DyingProcess, dying_process
from tests.faults.findings import facts
from tests.faults.killed_stack import PATIENCE_SECONDS, KilledStack
from tests.faults.month import MONTH, STEPS, WEEK, open_books, write_export
from tests.faults.story import Story, telling, using
from tests.postgres import DURABLE, Server, running_postgres


@contextmanager
def ledger_copy(server: Server, template: str, files: Path) -> Iterator[dict[str, str]]:
    """The same with a copy of a ledger that is gone afterwards."""
    name = server.create_database(template)
    try:
        with using(server.url(name, "chargeback_app"), files) as environment:
            yield environment
    finally:
        server.drop_database(name)


@pytest.fixture(scope="session")
def story(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Every booking, undisturbed."""
    with telling(postgres, tmp_path_factory.mktemp("story")) as story:
        yield story


@pytest.fixture(scope="session")
def dying() -> Iterator[DyingProcess]:
    """Where steps are killed, paused, and taken by many at once."""
    with dying_process() as process:
        yield process


@pytest.fixture(scope="session")
def durable_story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The story on a Postgres of its own that may be stopped at any time, and keeps what it acknowledged."""
    with (
        running_postgres(DURABLE) as server,
        telling(server, tmp_path_factory.mktemp("durable")) as story,
    ):
        yield story


@dataclass
class Undisturbed:
    """What the ledger says after a month that nobody disturbed, and how long that takes at present."""

    facts: dict[str, str]
    seconds: float


@dataclass(frozen=True)
class Month:
    """The month undisturbed: per step a database to copy from before it, and what the ledger says after it."""

    before: dict[str, str]
    after: dict[str, dict[str, str]]


@pytest.fixture(scope="session")
def month(postgres: Server, template: str, tmp_path_factory: pytest.TempPathFactory) -> Month:
    """Every step once; nobody stays connected to the copies."""
    name = postgres.create_database(template)
    files = tmp_path_factory.mktemp("files")
    url = postgres.url(name, "chargeback_app")
    told = Month({}, {})
    export = files / "export.json"
    write_export(export, WEEK)
    with using(url, files):
        open_books(export)
    for step, act in STEPS.items():
        told.before[step] = postgres.create_database(name)
        with using(url, files):
            act()
            told.after[step] = facts()
    return told


@pytest.fixture(scope="module")
def stack_home() -> Iterator[Path]:
    """The stack's home and port, and processes to fork from that know them; the stack itself is not up yet."""
    with made_home() as home, pytest.MonkeyPatch.context() as patch:
        patch.setitem(Settings.model_config, "env_file", None)
        patch.setenv("CHARGEBACK_HOME", str(home))
        patch.setenv("CHARGEBACK_PREFECT_PORT", str(free_port()))
        settings.cache_clear()
        with pytest.MonkeyPatch.context() as theirs:
            for name, value in Stack(
                home, f"http://127.0.0.1:{settings().prefect_port}/api", print, is_ours=False
            ).environment.items():
                theirs.setenv(name, value)
            billing_process.prepare()
        yield home
    settings.cache_clear()


@pytest.fixture(scope="module")
def killed_stack(
    stack_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KilledStack]:
    """A stack with a seeded ledger: the example company, and its month many times over."""
    folder = tmp_path_factory.mktemp("rounds")
    export = folder / "export.json"
    write_export(export, MONTH, copies=4)
    with running(stack_home) as stack, pytest.MonkeyPatch.context() as patch:
        killed = KilledStack(stack, "seed", folder)
        killed.administer("CREATE DATABASE seed TEMPLATE ledger")
        open_books(export, killed.url("seed"))
        database.engine(killed.url("seed")).dispose()
        # As commands do, for the time of one module: other tests of this process have stacks of their own.
        for name, value in stack.environment.items():
            patch.setenv(name, value)
        settings.cache_clear()
        yield killed


@pytest.fixture(scope="module")
def undisturbed(killed_stack: KilledStack) -> Undisturbed:
    """The month billed by a process that nobody kills."""
    for _ in range(
        2
    ):  # The first one finds caches cold, and would put the moments of the kills too late.
        with killed_stack.round() as round_:
            process, ended = billing_process.start_flow(round_.environment, round_.log)
            begun = time.monotonic()
            ended.wait(PATIENCE_SECONDS)
            seconds = time.monotonic() - begun
            process.join()
            assert process.exitcode == 0, round_.log.read_text(encoding="utf-8")
            told = Undisturbed(round_.facts(), seconds)
    return told
