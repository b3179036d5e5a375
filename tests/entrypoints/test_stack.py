"""The stack's own work: children that end when told, leftovers that are found, one stack per home."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from chargeback.errors import Refused, Unavailable
from chargeback.settings import settings
from entrypoints import children, prefect_server
from entrypoints.children import Child, end_leftovers
from entrypoints.claim import claim_or_wait, interruptible
from entrypoints.prefect_server import refuse_taken_port, without_password
from entrypoints.stack import Stack

SLEEP = "import time; time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def child(home: Path) -> Iterator[Callable[[str], Child]]:
    made: list[Child] = []

    def make(source: str) -> Child:
        made.append(Child("part", [sys.executable, "-c", source], os.environ, home, home))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.stop()


def test_a_child_ends_when_told(child: Callable[[str], Child]) -> None:
    sleeper = child(SLEEP)
    assert sleeper.is_alive()
    sleeper.stop()
    assert not sleeper.is_alive()
    assert sleeper.pid is None


def test_a_child_that_does_not_listen_is_killed(
    child: Callable[[str], Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "TERM_SECONDS", 0.2)
    deaf = child(DEAF)
    wait_for(lambda: "deaf" in deaf.log.read_text(encoding="utf-8"))
    deaf.stop()
    assert not deaf.is_alive()


def test_ctrl_c_does_not_reach_the_children_before_the_stack(child: Callable[[str], Child]) -> None:
    sleeper = child(SLEEP)
    assert sleeper.pid is not None
    assert os.getpgid(sleeper.pid) != os.getpgid(0)


def test_a_child_hears_ctrl_c_even_where_its_starter_ignores_it(
    child: Callable[[str], Child],
) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        told = child("import signal; print(signal.getsignal(signal.SIGINT), flush=True)")
    finally:
        signal.signal(signal.SIGINT, before)
    wait_for(lambda: "default_int_handler" in told.log.read_text(encoding="utf-8"))


def test_a_child_that_keeps_ending_is_given_up_with_the_end_of_its_log(
    child: Callable[[str], Child],
) -> None:
    broken = child("print('no such luck', flush=True)")
    for _ in range(children.RESTARTS):
        wait_for(lambda: not broken.is_alive())
        broken.start()
    wait_for(lambda: not broken.is_alive())
    with pytest.raises(Unavailable, match=r"part keeps ending by itself(.|\n)*no such luck"):
        broken.start()


def test_what_a_killed_stack_left_running_is_found_and_ended(
    home: Path, child: Callable[[str], Child]
) -> None:
    parent = child(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])")
    assert parent.pid is not None
    wait_for(lambda: bool(psutil.Process(parent.pid).children()))
    (grandchild,) = psutil.Process(parent.pid).children()
    os.kill(parent.pid, signal.SIGKILL)
    wait_for(lambda: not parent.is_alive())
    assert end_leftovers(home / "of another stack") == 0
    assert grandchild.is_running()
    assert end_leftovers(home) == 1
    wait_for(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


def test_a_taken_port_is_an_error_that_names_the_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"port {port} .* set CHARGEBACK_PREFECT_PORT"):
            refuse_taken_port(port, "CHARGEBACK_PREFECT_PORT")


def test_what_is_configured_from_outside_is_not_started(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parts() -> tuple[bool, bool]:
        settings.cache_clear()
        stack = Stack(home, "http://127.0.0.1:4200/api", print, is_ours=True)
        return stack.has_postgres, stack.has_prefect_server

    assert parts() == (True, True)
    monkeypatch.setenv("CHARGEBACK_DATABASE_URL", "postgresql+psycopg2://app@db.example/ledger")
    assert parts() == (True, True), "the embedded Postgres still serves Prefect"
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example/api")
    assert parts() == (False, False)
    monkeypatch.delenv("CHARGEBACK_DATABASE_URL")
    assert parts() == (True, False)


def test_children_are_told_where_everything_is(home: Path) -> None:
    settings.cache_clear()
    told = Stack(home, "http://127.0.0.1:4200/api", print, is_ours=True).environment
    assert told["CHARGEBACK_HOME"] == str(home)
    assert told["CHARGEBACK_DATABASE_URL"].startswith(
        "postgresql+psycopg2://chargeback_app@/ledger"
    )
    assert told["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert told["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert told["DO_NOT_TRACK"] == "1"


def test_a_home_that_cannot_be_written_is_refused(home: Path) -> None:
    (home / "run").write_text("a file where a folder belongs", encoding="utf-8")
    with pytest.raises(Refused, match="set CHARGEBACK_HOME"):
        claim_or_wait(home, print)


def test_the_right_to_run_a_home_ends_with_its_holder(home: Path) -> None:
    source = f"""
import time
from pathlib import Path
from entrypoints.claim import claim_or_wait
claim = claim_or_wait(Path({str(home)!r}), print)
print("held", flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", source]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=settings().root) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        said: list[str] = []

        def say(line: str) -> None:
            said.append(line)
            holder.kill()

        claim = claim_or_wait(home, say)
        assert claim is not None
        claim.close()
        assert len(said) == 1
        assert "waiting" in said[0]


def test_sigterm_stops_in_order_and_stopping_is_not_interrupted() -> None:
    stops = []
    with contextlib.suppress(KeyboardInterrupt), interruptible() as stopping:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        finally:
            stopping()
            os.kill(os.getpid(), signal.SIGTERM)
            stops.append("in order")
    assert stops == ["in order"]


def test_no_password_is_ever_shown() -> None:
    shown = without_password("postgresql+psycopg2://app:se:c@ret@db.example:5432/ledger")
    assert shown == "postgresql+psycopg2://app@db.example:5432/ledger"


def test_a_prefect_server_that_asks_who_one_is_tells_its_password_to_its_own_only(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "boss:s3cret")
    settings.cache_clear()
    told = Stack(home, "http://127.0.0.1:4200/api", print, is_ours=True).environment
    assert told["PREFECT_API_AUTH_STRING"] == "boss:s3cret"
    assert "s3cret" not in repr(settings())
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "ana:own")
    assert prefect_server.authentication() == {"PREFECT_API_AUTH_STRING": "ana:own"}
