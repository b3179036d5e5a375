"""A real stack to kill parts of: durable Postgres, Prefect server, worker; and a ledger of its own for each round.

Owns how a round bills: in a process of its own, or by the deployed flow. What is killed when is the tests'.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
import psycopg2
from sqlalchemy import text

from chargeback.ledger import database
from chargeback.ledger.database import snapshot
from entrypoints.postgres import ledger_url
from entrypoints.postgres_place import socket_folder
from entrypoints.prefect_server import get
from entrypoints.stack import MEND_EVERY_SECONDS, Stack
from tests.faults.findings import assert_readable, assert_sound, facts
from tests.faults.month import ISSUED_ON, PERIOD

LOOK_SECONDS = 0.1
# Asking Prefect, or every process of the machine, takes time from those who are waited for.
ASK_SECONDS = 0.7
PAGE = 200
ENDS = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
# Four tries with growing pauses, and as much again for a Prefect client that waits for its server.
PATIENCE_SECONDS = 150


@dataclass(frozen=True)
class Round:
    """One round's own ledger on the stack's Postgres, and its own file store."""

    name: str
    url: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process work on this ledger, in batches so small that there is much to hit."""
        return {
            "CHARGEBACK_DATABASE_URL": self.url,
            "CHARGEBACK_FILE_STORE": str(self.folder / "files"),
            "CHARGEBACK_BATCH_RECORDS": "50",
            "CHARGEBACK_DOCUMENT_PROCESSES": "1",
        }

    @property
    def log(self) -> Path:
        """What its own processes said."""
        return self.folder / "log"

    def facts(self) -> dict[str, str]:
        """What its ledger says."""
        return facts(self.url)

    def assert_whole(self, expected: Mapping[str, str]) -> None:
        """The same facts as undisturbed, sound, and told of in words that people can read."""
        other = {name: said for name, said in self.facts().items() if said != expected[name]}
        assert not other, f"{other} where it is { ({name: expected[name] for name in other}) }"
        assert_sound(self.folder / "files", self.url)
        for said in self.journal():
            assert_readable(said)

    def journal(self) -> list[str]:
        """Every error that its runs and steps left in the journal."""
        query = """SELECT error FROM billing_runs WHERE error IS NOT NULL
                   UNION ALL SELECT error FROM billing_steps WHERE error IS NOT NULL"""
        with snapshot(self.url) as connection:
            return list(connection.execute(text(query)).scalars())


@dataclass
class KilledStack:
    """The stack, its seeded ledger, and the rounds that were made from it."""

    stack: Stack
    seed: str
    folder: Path
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @contextmanager
    def round(self) -> Iterator[Round]:
        """A round on a fresh copy of the seeded ledger."""
        name = f"round_{next(self._numbers)}"
        folder = self.folder / name
        folder.mkdir()
        self.administer(f"CREATE DATABASE {name} TEMPLATE {self.seed}")
        url = self.url(name)
        try:
            yield Round(name, url, folder)
        finally:
            database.engine(url).dispose()
            self.administer(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, name: str) -> str:
        """The address of one of its databases, as the app role."""
        return ledger_url(self.stack.home).replace("/ledger?", f"/{name}?")

    def administer(self, statement: str) -> list[Any]:
        """Run one statement as Postgres's administrator, outside of any transaction, once it has recovered."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self.stack.mend()
            try:
                return self._administer(statement)
            except psycopg2.OperationalError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(LOOK_SECONDS)

    def _administer(self, statement: str) -> list[Any]:
        folder = str(socket_folder(self.stack.home))
        connection = psycopg2.connect(host=folder, port=5432, user="postgres", dbname="postgres")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def kill_postgres(self) -> None:
        """SIGKILL to the parent of all of Postgres's processes; the others notice and end."""
        os.kill(self._alive("postmaster_pid"), signal.SIGKILL)

    def kill_worker(self) -> None:
        """SIGKILL to the worker; the flows it runs notice and end as crashed."""
        os.kill(self._alive("worker_pid"), signal.SIGKILL)

    def kill_session(self, round_: Round) -> None:
        """SIGKILL to one of the round's sessions, upon which Postgres ends all others and recovers."""
        query = f"SELECT pid FROM pg_stat_activity WHERE datname = '{round_.name}' LIMIT 1"
        for (pid,) in self.administer(query) or [(self._alive("postmaster_pid"),)]:
            os.kill(pid, signal.SIGKILL)

    def _alive(self, part: str) -> int:
        pid: int | None = getattr(self.stack, part)
        assert pid is not None, f"{part} does not run"
        return pid

    def mend_until(self, is_over: Callable[[], bool], look_seconds: float = LOOK_SECONDS) -> None:
        """Supervise as `chargeback up` does until `is_over`."""
        begun = looked_at = time.monotonic()
        while not is_over():
            time.sleep(look_seconds)
            now = time.monotonic()
            assert now - begun < PATIENCE_SECONDS, "it does not come to an end"
            if now - looked_at > MEND_EVERY_SECONDS:
                self.stack.mend()
                looked_at = now

    def start_deployed(self, round_: Round) -> UUID:
        """Start the deployed monthly-billing on the round's ledger."""
        deployment = get(self.stack.prefect_api_url, "/deployments/name/monthly-billing/chargeback")
        body = {
            "parameters": {"period": PERIOD, "business_date": ISSUED_ON.isoformat()},
            "job_variables": {"env": round_.environment},
        }
        made = self._post(f"/deployments/{deployment['id']}/create_flow_run", body)
        return UUID(made["id"])

    def state(self, run_id: UUID) -> dict[str, Any]:
        """The run's state in Prefect; empty while its server cannot say."""
        run = get(self.stack.prefect_api_url, f"/flow_runs/{run_id}")
        return dict(run["state"]) if run else {}

    def has_begun(self, run_id: UUID) -> bool:
        """Whether the run's flow has begun, or even ended."""
        return self.state(run_id).get("type") not in (None, "SCHEDULED", "PENDING")

    def has_ended(self, run_id: UUID) -> bool:
        """Whether the run is over, however it ended."""
        return self.state(run_id).get("type") in ENDS

    def told(self) -> Iterator[str]:
        """All that Prefect shows people of its runs: the messages of their states, and their logs."""
        for kind in ("flow_runs", "task_runs"):
            for run in self._pages(kind):
                yield (run["state"] or {}).get("message") or ""
        for line in self._pages("logs"):
            yield line["message"]

    def _pages(self, kind: str) -> Iterator[dict[str, Any]]:
        for offset in count(step=PAGE):
            page = self._post(f"/{kind}/filter", {"limit": PAGE, "offset": offset})
            yield from page
            if len(page) < PAGE:
                return

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = httpx.post(self.stack.prefect_api_url + path, json=body, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def kill_flows(self, run_ids: Iterable[UUID]) -> None:
        """SIGKILL to the processes the worker started for these runs."""
        for run_id in run_ids:
            for process in processes_of(run_id):
                process.kill()


def processes_of(run_id: UUID) -> list[psutil.Process]:
    """The processes that run a deployed flow."""
    return [process for process in psutil.process_iter() if _runs(process, str(run_id))]


def _runs(process: psutil.Process, run_id: str) -> bool:
    try:
        is_dead = process.status() == psutil.STATUS_ZOMBIE
        return not is_dead and process.environ().get("PREFECT__FLOW_RUN_ID") == run_id
    except (psutil.Error, OSError):
        return False
