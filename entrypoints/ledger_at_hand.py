"""A ledger to work on for the time of a command: the configured one, or the embedded one.

Owns the agreement on who stops an embedded Postgres that commands started: the last of them, unless a
stack has begun to run meanwhile, which then stops it itself.
"""

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import ArgumentError

from chargeback.errors import Invalid, Refused
from chargeback.ledger import database
from chargeback.settings import settings
from entrypoints import postgres
from entrypoints.claim import interruptible, open_lock

log = logging.getLogger("chargeback.ledger_at_hand")


@contextlib.contextmanager
def ledger_at_hand(dry_run: bool = False) -> Iterator[None]:
    """A reachable ledger at the newest schema, for the time of the block; with `dry_run` it keeps nothing of it.

    The embedded Postgres is started where nothing is configured, and stopped again by the last command
    that uses it. Raises Refused where a configured ledger's schema is another version's.
    """
    with _reachable(), database.rehearsal() if dry_run else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _reachable() -> Iterator[None]:
    if settings().database_url is None:
        with _embedded(settings().home.resolve()):
            yield
        return
    _refuse_no_address(settings().database_url or "")
    with database.transaction() as connection:
        held = database.version(connection)
    newest = database.newest_version()
    if held != newest:
        raise Refused(
            "schema_not_current",
            f"the ledger's schema is at version {held or 'none'} and this is made for {newest}; "
            "run `chargeback db upgrade`",
        )
    yield


def _refuse_no_address(url: str) -> None:
    """Raises Invalid for a URL that cannot be one; it is not repeated, because it may hold a password."""
    try:
        driver = make_url(url).drivername
    except ArgumentError:
        driver = ""
    if driver not in ("postgresql", "postgresql+psycopg2"):
        raise Invalid(
            "database_url_invalid",
            "CHARGEBACK_DATABASE_URL is no address of a Postgres; "
            "write it like postgresql+psycopg2://chargeback_app:PASSWORD@host/ledger",
        )


def migration_url() -> str:
    """The ledger as its owner, for migrations."""
    given = settings().owner_database_url or settings().database_url
    return given or postgres.owner_url(settings().home)


@contextlib.contextmanager
def using_environment(variables: dict[str, str]) -> Iterator[None]:
    """These variables for this process and its children, for the time of the block; the settings follow."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    settings.cache_clear()
    try:
        yield
    finally:
        if url := settings().database_url:
            database.engine(url).dispose()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        settings.cache_clear()


@contextlib.contextmanager
def _embedded(home: Path) -> Iterator[None]:
    with postgres_at_hand(home):
        upgrade_where_needed(postgres.owner_url(home))
        with using_environment({"CHARGEBACK_DATABASE_URL": postgres.ledger_url(home)}):
            yield


@contextlib.contextmanager
def postgres_at_hand(home: Path) -> Iterator[None]:
    """The embedded Postgres for the time of the block: one that ran before keeps running after."""
    with interruptible() as stopping, open_lock(home, "postgres.users") as users:
        # Waits here while another command stops it.
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            _start(home)
            yield
        finally:
            stopping()
            _stop_if_last(home, users)


def upgrade_where_needed(owner_url: str) -> tuple[str | None, str]:
    """Bring the schema to the newest version: the version it was at, and the newest."""
    owner = create_engine(owner_url)
    try:
        with database.translated(), owner.connect() as connection:
            held = database.version(connection)
    finally:
        owner.dispose()
    newest = database.newest_version()
    if held != newest:
        database.upgrade(owner_url)
        log.info("schema.upgraded from=%s to=%s", held, newest)
    return held, newest


def _start(home: Path) -> None:
    """Start the embedded Postgres where it does not run, and note that commands may stop it."""
    if postgres.is_postgres_running(home):
        return
    postgres.start_postgres(home)
    _started_by_commands(home).write_text(str(postgres.postmaster_pid(home)), encoding="utf-8")
    log.info("postgres.started home=%s", home)


def _started_by_commands(home: Path) -> Path:
    return home / "run" / "postgres.started_by_commands"


def _stop_if_last(home: Path, users: IO[str]) -> None:
    """Stop the Postgres that a command started, where no other command and no stack uses it."""
    note = _started_by_commands(home)
    if not note.exists() or note.read_text(encoding="utf-8") != str(postgres.postmaster_pid(home)):
        return
    with contextlib.suppress(BlockingIOError), open_lock(home) as claim:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        postgres.stop_postgres(home)
        note.unlink(missing_ok=True)
        log.info("postgres.stopped home=%s", home)
