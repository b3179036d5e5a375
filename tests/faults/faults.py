"""What may befall a step at a point, beside its own end: its process, its session, its server, an error of Postgres."""

import os
import signal
from collections.abc import Callable

from psycopg2.extensions import connection as driver_connection
from psycopg2.extensions import cursor as driver_cursor

from tests.faults.crash_points import Fault, Point, never_answered
from tests.postgres import OwnServer

# What Postgres says when it means them, by SQLSTATE.
READS_ONLY = "25006"
ERRORS = {
    "40001": "could not serialize access due to concurrent update",
    "40P01": "deadlock detected",
    "55P03": "canceling statement due to lock timeout",
    "57014": "canceling statement due to statement timeout",
    "53300": "sorry, too many clients already",
    "53100": 'could not extend file "base/16384/2601": No space left on device',
    "57P01": "terminating connection due to administrator command",
    READS_ONLY: "cannot execute INSERT in a read-only transaction",
}


def kill_process(_connection: driver_connection, _point: Point) -> None:
    """SIGKILL to the process that is at this point."""
    os.kill(os.getpid(), signal.SIGKILL)


def pause_process(connection: driver_connection, point: Point) -> None:
    """SIGSTOP to the process that is at this point, until somebody wakes it.

    Postgres gives its open transaction up as ever, only sooner: after a second instead of a minute.
    """
    if not (point.is_commit and point.is_after):
        with connection.cursor(cursor_factory=driver_cursor) as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '1s'")
    os.kill(os.getpid(), signal.SIGSTOP)


def ending_session(administrator: driver_connection) -> Fault:
    """Ends the session in Postgres, as its administrator, and waits until it is gone."""

    def end(connection: driver_connection, point: Point) -> None:
        pid = connection.info.backend_pid
        with administrator.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
            while cursor.rowcount:
                cursor.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,))
        if point.is_commit and point.is_after:
            raise never_answered()

    return end


def losing_server(server: OwnServer) -> Fault:
    """Stops Postgres at once and starts it again."""

    def lose(_connection: driver_connection, point: Point) -> None:
        server.crash()
        server.start()
        if point.is_after:
            raise never_answered()

    return lose


def failing(code: str) -> Fault:
    """Postgres fails the statement, or the COMMIT, in its own words.

    That a transaction only reads is no error where it was begun to read; there the server ends instead.
    """

    def fail(connection: driver_connection, _point: Point) -> None:
        with connection.cursor(cursor_factory=driver_cursor) as cursor:
            cursor.execute("SHOW transaction_read_only")
            is_reading = cursor.fetchone() == ("on",)
            said = "57P01" if code == READS_ONLY and is_reading else code
            cursor.execute(
                f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{said}', MESSAGE = '{ERRORS[said]}'; END $$"
            )

    return fail


Chosen = Callable[[Point], bool]


def every(_point: Point) -> bool:
    """All points."""
    return True


def before(point: Point) -> bool:
    """All but those after statements, which come before the next one anyway."""
    return point.is_commit or not point.is_after


def at_commits(point: Point) -> bool:
    """Before and after each COMMIT."""
    return point.is_commit


def at_statements(point: Point) -> bool:
    """Before each statement and each COMMIT: what Postgres may refuse."""
    return not point.is_after
