"""The embedded Postgres: it starts on nothing, loses nothing, and recovers from whatever was killed."""

import os
import signal
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class with a small name

from chargeback.errors import Refused
from entrypoints.ledger_at_hand import postgres_at_hand
from entrypoints.postgres import (
    is_postgres_running,
    ledger_url,
    postmaster_pid,
    start_postgres,
    stop_postgres,
)
from entrypoints.postgres_place import data_folder, socket_folder
from entrypoints.postgres_processes import is_ready


def connect(home: Path, database: str = "ledger") -> Connection:
    made: Connection = psycopg2.connect(
        host=str(socket_folder(home)), user="postgres", dbname=database
    )
    made.autocommit = True
    return made


def ask(home: Path, query: str) -> list[str]:
    connection = connect(home)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return [str(row[0]) for row in cursor.fetchall()]
    finally:
        connection.close()


def tell(home: Path, statement: str) -> None:
    connection = connect(home)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


@pytest.fixture
def server(stack_home: Path) -> Path:
    start_postgres(stack_home)
    return stack_home


def kill_postmaster(home: Path) -> None:
    pid = postmaster_pid(home)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while is_postgres_running(home):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_first_start_makes_both_databases(server: Path) -> None:
    assert is_postgres_running(server)
    assert {"ledger", "prefect"} <= set(ask(server, "SELECT datname FROM pg_database"))


def test_nothing_about_the_server_weakens_durability(server: Path) -> None:
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert ask(server, f"SHOW {setting}") == ["on"]


def test_the_server_listens_on_no_port(server: Path) -> None:
    assert ask(server, "SHOW listen_addresses") == [""]
    assert stat.S_IMODE(socket_folder(server).stat().st_mode) == 0o700


def test_text_is_utf8_in_the_order_of_its_code_points(server: Path) -> None:
    assert ask(server, "SHOW server_encoding") == ["UTF8"]
    query = "SELECT datcollate FROM pg_database WHERE datname = 'ledger'"
    assert ask(server, query) == ["C.UTF-8"]


def test_starting_again_keeps_the_running_server(server: Path) -> None:
    before = postmaster_pid(server)
    start_postgres(server)
    assert postmaster_pid(server) == before


def test_two_starts_at_once_make_one_server(stack_home: Path) -> None:
    starts = [threading.Thread(target=start_postgres, args=(stack_home,)) for _ in range(2)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert ask(stack_home, "SELECT 1") == ["1"]


def test_what_was_committed_survives_a_killed_server(server: Path) -> None:
    tell(server, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    kill_postmaster(server)
    start_postgres(server)
    assert ask(server, "SELECT sum(n) FROM kept") == ["500500"]


def test_a_server_killed_this_moment_is_started_again(server: Path) -> None:
    pid = postmaster_pid(server)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    start_postgres(server)
    assert ask(server, "SELECT 1") == ["1"]


def test_a_session_that_outlives_its_killed_server_is_ended(server: Path) -> None:
    busy = connect(server)
    pid = busy.get_backend_pid()
    query = "SELECT count(*) FROM generate_series(1, 100000000000)"
    thread = threading.Thread(
        target=pytest.raises, args=(psycopg2.Error, busy.cursor().execute, query)
    )
    thread.start()
    time.sleep(0.5)
    kill_postmaster(server)
    start_postgres(server)
    thread.join(timeout=30)
    assert str(pid) not in ask(server, "SELECT pid FROM pg_stat_activity")
    assert not thread.is_alive()
    busy.close()


def test_a_stranger_with_the_old_process_id_is_not_the_server(server: Path) -> None:
    pid_file = data_folder(server) / "postmaster.pid"
    lines = pid_file.read_text(encoding="utf-8").splitlines()
    stop_postgres(server)
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n", encoding="utf-8")
    assert not is_postgres_running(server)
    start_postgres(server)
    assert ask(server, "SELECT 1") == ["1"]


def test_a_killed_server_that_nobody_reaped_is_dead(tmp_path: Path) -> None:
    program = tmp_path / "postgres"
    program.symlink_to("/bin/sleep")
    (tmp_path / "postmaster.pid").write_text("0\nready\n", encoding="utf-8")
    with subprocess.Popen([program, "60"], cwd=tmp_path) as child:
        (tmp_path / "postmaster.pid").write_text(f"{child.pid}\nready\n", encoding="utf-8")
        time.sleep(0.2)
        assert is_ready(tmp_path)
        child.kill()
        time.sleep(0.2)
        assert not is_ready(tmp_path)


def test_a_start_killed_half_way_through_leaves_no_half_made_data(stack_home: Path) -> None:
    half = stack_home / "postgres.new-4711"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n", encoding="utf-8")
    start_postgres(stack_home)
    assert not half.exists()
    assert ask(stack_home, "SELECT 1") == ["1"]


def test_stopping_what_does_not_run_does_nothing(stack_home: Path) -> None:
    stop_postgres(stack_home)
    assert not is_postgres_running(stack_home)


def test_a_block_leaves_the_server_as_it_found_it(stack_home: Path) -> None:
    with postgres_at_hand(stack_home):
        assert is_postgres_running(stack_home)
        with postgres_at_hand(stack_home):
            pass
        assert is_postgres_running(stack_home)
    assert not is_postgres_running(stack_home)


@pytest.mark.parametrize("name", ["long" * 30, "a comma, a space and a 'quote'"])
def test_a_path_no_socket_can_have_gets_a_short_one(stack_home: Path, name: str) -> None:
    home = stack_home / name
    home.mkdir()
    try:
        start_postgres(home)
        assert socket_folder(home) != data_folder(home)
        assert ask(home, "SELECT 1") == ["1"]
        assert f"host={socket_folder(home)}&" in ledger_url(home)
    finally:
        stop_postgres(home)
        socket_folder(home).rmdir()


def test_a_socket_folder_of_somebody_else_is_refused(stack_home: Path) -> None:
    home = stack_home / ("long" * 30)
    home.mkdir()
    socket_folder(home).mkdir(mode=0o755)
    try:
        with pytest.raises(Refused, match="not ours alone"):
            start_postgres(home)
    finally:
        socket_folder(home).rmdir()


def test_no_private_folder_is_opened_for_the_server(
    stack_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What belongs to a temporary home goes to a temporary place, here one that is cleaned up.
    monkeypatch.setattr(tempfile, "tempdir", str(stack_home))
    private = stack_home / "private"
    private.mkdir(mode=0o700)
    home = private / "home"
    home.mkdir()
    try:
        start_postgres(home)
        assert ask(home, "SELECT 1") == ["1"]
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    finally:
        stop_postgres(home)


def test_data_of_another_user_is_refused(stack_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (stack_home / "postgres").mkdir()
    another = os.geteuid() + 4711
    monkeypatch.setattr(os, "geteuid", lambda: another)
    with pytest.raises(Refused, match="belongs to user id"):
        start_postgres(stack_home)


def test_a_server_that_cannot_start_shows_the_end_of_its_log(server: Path) -> None:
    stop_postgres(server)
    settings = data_folder(server) / "postgresql.auto.conf"
    settings.write_text("shared_buffers = 'nonsense'\n", encoding="utf-8")
    with pytest.raises(Exception, match='invalid value for parameter "shared_buffers"'):
        start_postgres(server)
