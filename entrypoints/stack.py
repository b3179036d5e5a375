"""The embedded stack: Postgres, the Prefect server, the API and a worker, started together and stopped together.

Owns their order and their supervision. What is configured from outside (`CHARGEBACK_DATABASE_URL`,
`PREFECT_API_URL`) is used and not started. One stack per home: whoever comes second uses the first's.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil

from chargeback.errors import Refused
from chargeback.ledger import database, ledger_settings
from chargeback.settings import settings
from entrypoints import api_process, postgres, prefect_server
from entrypoints.children import Child, end_leftovers
from entrypoints.claim import Say, claim_or_wait, interruptible, read_state, state_file
from entrypoints.deploying import Deploying
from entrypoints.postgres import (
    is_postgres_running,
    ledger_url,
    owner_url,
    start_postgres,
    stop_postgres,
)

__all__ = [
    "Stack",
    "is_postgres_running",
    "ledger_url",
    "owner_url",
    "running",
    "start_postgres",
    "stop_postgres",
    "up",
]

MEND_EVERY_SECONDS = 1


class Stack:
    """A running stack: where its parts are reached, and the means to keep them alive.

    `is_ours` tells whether this process started it; another process's stack is mended by that process.
    """

    def __init__(self, home: Path, prefect_api_url: str, say: Say, *, is_ours: bool) -> None:
        self.home = home
        self.is_ours = is_ours
        self.prefect_api_url = prefect_api_url
        self.prefect_ui_url = prefect_api_url.removesuffix("/api")
        self.children: list[Child] = []
        self._say = say
        # As they were when it was made: commands put its own addresses into their environment afterwards.
        self._settings = settings()

    @property
    def database_url(self) -> str:
        """SQLAlchemy's URL of the ledger, as the app role."""
        return self._settings.database_url or ledger_url(self.home)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to work on this stack."""
        return prefect_server.environment(self.home, self.prefect_api_url, self.database_url)

    @property
    def has_postgres(self) -> bool:
        """Whether the embedded Postgres is part of it: for the ledger, for Prefect, or for both."""
        return self._settings.database_url is None or self.has_prefect_server

    @property
    def has_prefect_server(self) -> bool:
        """Whether the embedded Prefect server is part of it."""
        return self._settings.prefect_api_url is None

    @property
    def postmaster_pid(self) -> int | None:
        """The process id of the embedded Postgres, if it runs."""
        return postgres.postmaster_pid(self.home) if self.has_postgres else None

    @property
    def server_pid(self) -> int | None:
        """The process id of the embedded Prefect server, if it runs."""
        return self._pid("prefect-server")

    @property
    def worker_pid(self) -> int | None:
        """The process id of the worker, if it runs."""
        return self._pid("worker")

    def _pid(self, name: str) -> int | None:
        if self.is_ours:
            return next((child.pid for child in self.children if child.name == name), None)
        pid: int | None = read_state(self.home).get("children", {}).get(name)
        return pid

    def restart_postgres(self) -> None:
        """Start the embedded Postgres again, stopping it first where it still runs."""
        stop_postgres(self.home)
        start_postgres(self.home)

    def mend(self) -> list[str]:
        """Start again whatever ended by itself; the names of what was started.

        Raises Unavailable when a part keeps ending.
        """
        if not self.is_ours:
            return []
        mended = []
        if self.has_postgres and not is_postgres_running(self.home):
            self._say("Postgres ended by itself; starting it again")
            start_postgres(self.home)
            mended.append("postgres")
        for child in self.children:
            if not child.is_alive():
                self._say(f"{child.name} ended by itself; starting it again")
                child.start()
                mended.append(child.name)
        if mended:
            self.save()
        return mended

    def save(self) -> None:
        """Write down where this stack is reached, for processes that come second."""
        state = {
            "pid": os.getpid(),
            "started_at": psutil.Process().create_time(),
            "prefect_api_url": self.prefect_api_url,
            "children": {child.name: child.pid for child in self.children},
        }
        path = state_file(self.home)
        path.with_suffix(".new").write_text(json.dumps(state), encoding="utf-8")
        path.with_suffix(".new").replace(path)


@contextlib.contextmanager
def running(
    home: Path,
    *,
    with_worker: bool = True,
    with_api: bool = False,
    deploy: bool = True,
    migrate: bool = True,
    say: Say = lambda _: None,
) -> Iterator[Stack]:
    """A running stack for the time of the block: the one that runs already, or one of our own.

    The API is part of a stack that is there to stay, and not of one that a command starts for its own work.
    Rerun: what an earlier, killed stack left behind is ended or recovered first; deployments that did
    not change are not deployed again.
    Raises Unavailable, with the end of the log, when a part does not start.
    """
    home = home.resolve()
    claim = claim_or_wait(home, say)
    if claim is None:
        yield Stack(home, read_state(home)["prefect_api_url"], say, is_ours=False)
        return
    with claim, interruptible() as stopping:
        stack = Stack(home, _own_api_url(), say, is_ours=True)
        try:
            _start(
                stack,
                say,
                with_worker=with_worker,
                with_api=with_api,
                deploy=deploy,
                migrate=migrate,
            )
            yield stack
        finally:
            stopping()
            _stop(stack)


def up(*, is_worker_only: bool = False) -> int:
    """Keep the stack running until Ctrl-C or SIGTERM, mending it; the exit status.

    A worker alone deploys nothing and leaves the schema as it is. Raises Refused where there is nothing to work for.
    """
    say = partial(print, flush=True)
    if is_worker_only:
        _refuse_nothing_to_work_for()
    is_whole = not is_worker_only
    with (
        contextlib.suppress(KeyboardInterrupt),
        running(
            settings().home, with_api=is_whole, deploy=is_whole, migrate=is_whole, say=say
        ) as stack,
    ):
        if not stack.is_ours:
            raise Refused(
                "already_running",
                f"a stack is already running for {stack.home}, its Prefect at {stack.prefect_ui_url}; "
                "stop that one first, or set CHARGEBACK_HOME, CHARGEBACK_API_PORT and CHARGEBACK_PREFECT_PORT "
                "for another",
            )
        if is_whole:
            say(f"Reports    {api_process.api_url()}/site")
            say(f"API        {api_process.api_url()}/docs")
        say(f"Prefect    {stack.prefect_ui_url}")
        say(f"Ledger     {prefect_server.without_password(stack.database_url)}")
        say(f"Logs       {stack.home / 'logs'}")
        say("Running; Ctrl-C stops it.")
        while True:
            time.sleep(MEND_EVERY_SECONDS)
            stack.mend()
    say("Stopped.")
    return 0


def _refuse_nothing_to_work_for() -> None:
    missing = [
        name
        for name, value in (
            ("CHARGEBACK_DATABASE_URL", settings().database_url),
            ("PREFECT_API_URL", settings().prefect_api_url),
        )
        if value is None
    ]
    if missing:
        raise Refused(
            "nothing_to_work_for",
            f"a worker alone needs a ledger and a Prefect server, and {' and '.join(missing)} is not set; "
            "set it, or run `chargeback up` for all in one",
        )


def _start(
    stack: Stack, say: Say, *, with_worker: bool, with_api: bool, deploy: bool, migrate: bool
) -> None:
    if end_leftovers(stack.home):
        say("Ended what an earlier stack left running")
    if stack.has_prefect_server:
        prefect_server.refuse_taken_port(settings().prefect_port, "CHARGEBACK_PREFECT_PORT")
    if with_api:
        prefect_server.refuse_taken_port(settings().api_port, "CHARGEBACK_API_PORT")
    if stack.has_postgres:
        say("Starting Postgres")
        start_postgres(stack.home)
        if (stack.home / "postgres").is_symlink():
            place = (stack.home / "postgres").resolve()
            say(
                f"Postgres keeps its data in {place}: its user cannot pass the folders above {stack.home}"
            )
    server = _start_server(stack, say)
    if migrate:
        database.upgrade(_migration_url(stack.home))
    with database.transaction(stack.database_url) as connection:
        ledger_settings.tell(connection, "stack")
    # Nothing of the stack's own stays connected: whoever copies or restores the ledger would be in its way.
    database.engine(stack.database_url).dispose()
    api = _start_api(stack, say) if with_api else None
    prefect_server.wait_until_healthy(stack.prefect_api_url, server)
    if api is not None:
        say(api_process.wait_until_serving(api))
    _start_worker(stack, say, with_worker=with_worker, deploy=deploy)
    stack.save()


def _start_server(stack: Stack, say: Say) -> Child | None:
    if not stack.has_prefect_server:
        return None
    say("Starting the Prefect server")
    # Only now is the socket's folder certain.
    url = postgres.prefect_database_url(stack.home)
    server = prefect_server.server(stack.home, url, stack.environment)
    stack.children.append(server)
    server.start()
    return server


def _start_api(stack: Stack, say: Say) -> Child:
    say("Starting the API")
    api = api_process.api(stack.home, stack.environment)
    stack.children.append(api)
    api.start()
    return api


def _start_worker(stack: Stack, say: Say, *, with_worker: bool, deploy: bool) -> None:
    deploying = Deploying(stack.home, stack.prefect_api_url, stack.environment) if deploy else None
    try:
        if with_worker:
            say("Starting a worker")
            if deploying is not None:
                # Both would make the pool, and the one that comes second fails.
                deploying.wait_for_pool(stack.prefect_api_url)
            worker = prefect_server.worker(stack.home, stack.environment)
            stack.children.append(worker)
            worker.start()
            prefect_server.wait_until_working(stack.prefect_api_url, worker)
        if deploying is not None and deploying.wait():
            say("Deployed the flows of prefect.yaml")
    finally:
        if deploying is not None:
            deploying.abandon()


def _stop(stack: Stack) -> None:
    """Stop what was started, the last first; then whatever they left, then Postgres."""
    state_file(stack.home).unlink(missing_ok=True)
    for child in reversed(stack.children):
        child.stop()
    end_leftovers(stack.home)
    if stack.has_postgres:
        stop_postgres(stack.home)


def _migration_url(home: Path) -> str:
    given = settings().owner_database_url or settings().database_url
    return given or owner_url(home)


def _own_api_url() -> str:
    given = settings().prefect_api_url
    return given.rstrip("/") if given else f"http://127.0.0.1:{settings().prefect_port}/api"
