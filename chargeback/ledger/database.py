"""How the ledger's Postgres is reached: connections, transactions, migrations, and errors in plain words.

Owns no business. Every transaction of the app runs as the role `chargeback_app`, READ COMMITTED, with
timeouts that free the locks of a dead or sleeping process; reports and proofs read one REPEATABLE READ snapshot.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chargeback.errors import Invalid, Refused, Unavailable
from chargeback.ledger import audit
from chargeback.settings import settings

if TYPE_CHECKING:
    from alembic.config import Config

log = logging.getLogger("chargeback.ledger.database")

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
REFUSED_BY_LEDGER = "CB409"
# Lost connection, out of resources.
TRANSIENT_CLASSES = ("08", "40", "53")
# A lock was not had in time, or never could be; two processes made the same thing at once: the next try finds it made.
RACED_CODES = ("55P03", "40001", "40P01", "23505", "23P01")
# The server stops, crashed, starts, or ended a session that slept.
STOPPED_CODES = ("57P01", "57P02", "57P03", "57P05", "25P03")
# The server became one that only reads, as a standby does; in a snapshot, which only reads, it is a bug of ours.
READS_ONLY = "25006"
CANCELLED = "57014"
# What the server says while refusing a connection that may be had in a moment.
_PASSING = ("starting up", "shutting down", "recovery", "too many clients", "not yet accepting")

_OPTIONS = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "role": "chargeback_app",
        "timezone": "UTC",
        "client_connection_check_interval": "1000",
        "idle_in_transaction_session_timeout": "60000",
        "lock_timeout": "30000",
        "statement_timeout": "900000",
        # Set-based work sorts and keeps a month of cells: in memory it takes two thirds of the time.
        "work_mem": "64MB",
        "temp_buffers": "64MB",
        "jit": "off",
    }.items()
)


def ledger_url() -> str:
    """The ledger's address as the app role.

    Raises Unavailable where none is configured: the stack sets it for all it starts.
    """
    url = settings().database_url
    if url is None:
        raise Unavailable(
            "no_database",
            "no ledger is reachable because CHARGEBACK_DATABASE_URL is not set and the embedded stack "
            "was not started; run the `chargeback` command, or set the variable",
        )
    return url


@cache
def engine(url: str) -> Engine:
    """The one pool of this process for `url`; connections are checked before use."""
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=5,
        connect_args={"options": _OPTIONS, "connect_timeout": 10},
    )


_REHEARSED: ContextVar[Connection | None] = ContextVar("rehearsed", default=None)


@contextmanager
def rehearsal() -> Iterator[Connection]:
    """A transaction in which everything is done as ever and nothing is kept: for dry runs and previews.

    Every `transaction` and `snapshot` of the block is a part of it, seen by those after it. It holds the locks of
    all of them at once, so it gives up soon where others hold them. Raises Unavailable then.
    """
    with translated(), engine(ledger_url()).connect() as connection:
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '10min'"))
        token = _REHEARSED.set(connection)
        try:
            yield connection
        finally:
            _REHEARSED.reset(token)
            connection.rollback()


@contextmanager
def transaction(url: str | None = None) -> Iterator[Connection]:
    """One transaction of the app: committed whole when the block ends, undone whole when it raises.

    Within a `rehearsal` nothing is committed.
    Raises Unavailable for what a retry can cure, Refused for what the ledger's own guards refuse.
    """
    rehearsed = _REHEARSED.get()
    if rehearsed is not None and url is None:
        with translated(), rehearsed.begin_nested():
            yield rehearsed
        return
    with (
        translated(),
        engine(url or ledger_url()).begin() as connection,
        audit.told_at_end(connection),
    ):
        yield connection


@contextmanager
def snapshot(url: str | None = None, of: str | None = None) -> Iterator[Connection]:
    """One unmoving view of the whole ledger, read only (REPEATABLE READ); within a `rehearsal`, its own view.

    `of` names another one that is still open, to see what that sees.
    """
    rehearsed = _REHEARSED.get()
    if rehearsed is not None and url is None:
        with translated():
            yield rehearsed
        return
    with translated(is_reading=True), engine(url or ledger_url()).connect() as connection:
        connection = connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        with connection.begin():
            if of is not None:
                connection.execute(text("SET TRANSACTION SNAPSHOT :name"), {"name": of})
            yield connection


def export(connection: Connection) -> str:
    """The name by which other processes read this snapshot, as long as it is open."""
    return str(connection.execute(text("SELECT pg_export_snapshot()")).scalar_one())


@contextmanager
def translated(*, is_reading: bool = False) -> Iterator[None]:
    """Turns what the driver raises into Chargeback's own errors; bugs pass through unchanged."""
    try:
        yield
    except (DBAPIError, PoolTimeout, psycopg2.Error) as error:
        plain = _in_plain_words(error, is_reading)
        if plain is error:
            raise
        log.debug("database.failed", exc_info=error)
        # Without the cause: Prefect shows people whole tracebacks, and this one's words are the driver's.
        raise plain from None
    except ValueError as error:
        if not _is_about_text(error):
            raise
        raise Invalid(
            "text_not_storable",
            "a name or a reason holds a NUL or half a character, which no ledger can keep; write it again without",
        ) from None


def _is_about_text(error: ValueError) -> bool:
    """Whether the driver was given a text that Postgres cannot hold; doors that know its name refuse it before."""
    is_half = isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed"
    return is_half or str(error).startswith("A string literal cannot contain NUL")


def _in_plain_words(
    error: DBAPIError | PoolTimeout | psycopg2.Error, is_reading: bool
) -> Exception:
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = str(getattr(cause, "pgcode", None) or "")
    said = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    if code == REFUSED_BY_LEDGER:
        return Refused("refused_by_ledger", said)
    if code in RACED_CODES:
        log.info("database.raced code=%s said=%s", code, said)
        return Unavailable(
            "raced", "another process was changing the same part of the ledger; run this again"
        )
    if code == CANCELLED:
        return Refused(
            "database_cancelled",
            f"the ledger's database gave the work up ({said}); find out what kept it busy, then run this again",
        )
    if (
        said.startswith("connection to server")
        and "FATAL" in said
        and not any(w in said for w in _PASSING)
    ):
        return Invalid(
            "database_refused",
            f"the ledger's database lets nobody in ({said}); mend CHARGEBACK_DATABASE_URL or the database's roles",
        )
    is_lost = isinstance(error, (OperationalError, InterfaceError, PoolTimeout))
    is_lost = is_lost or isinstance(cause, (psycopg2.OperationalError, psycopg2.InterfaceError))
    # What the driver says of a COMMIT that the server did not live to answer.
    is_lost = is_lost or type(cause) is psycopg2.DatabaseError
    is_standby = code == READS_ONLY and not is_reading
    is_passing = code in STOPPED_CODES or code.startswith(TRANSIENT_CLASSES)
    if is_passing or is_standby or (is_lost and not code):
        return Unavailable(
            "database_unavailable",
            f"the ledger's database did not finish the work ({said}); check that Postgres runs, then run this again",
        )
    return error


def _config() -> "Config":
    # Alembic takes a quarter of a second to import, and only the few who migrate need it.
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(owner_url: str) -> None:
    """Bring the ledger's schema to the newest version; making the roles first where they are missing.

    Rerun: an up-to-date schema is left as it is. Two at once: the second waits.
    """
    from alembic import command

    owner = create_engine(owner_url)
    try:
        with translated(), owner.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('upgrade', 0))"))
            run_script(connection, MIGRATIONS / "sql" / "roles.sql")
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        owner.dispose()


def run_script(connection: Connection, script: Path) -> None:
    """Run a file of SQL as it is: no placeholders, `%` means itself."""
    connection.exec_driver_sql(script.read_text(), execution_options={"no_parameters": True})


def newest_version() -> str:
    """The version the code expects the schema to be at."""
    from alembic.script import ScriptDirectory

    return str(ScriptDirectory.from_config(_config()).get_current_head())


def version(connection: Connection) -> str | None:
    """The version the schema is at; None where there is none."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
