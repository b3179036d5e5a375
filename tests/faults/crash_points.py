"""Every point at which a step may die on its way through Postgres, and the means to make it die there.

A point lies before a statement, before a COMMIT, or right after a COMMIT, when the work is done and
nobody has heard of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, event

End = Callable[[int], None]


class Crashed(BaseException):
    """The process ends here; only the database's own rollback comes after it."""


class Points:
    """Counts the points that are passed, and lets the fault happen at the one chosen.

    The fault is the end of the process or, where `end_session` is given, of its session in Postgres.
    """

    def __init__(self, chosen: int | None = None, end_session: End | None = None) -> None:
        self.passed = 0
        self._chosen = chosen
        self._end_session = end_session

    @contextmanager
    def watching(self, engine: Engine) -> Iterator[None]:
        """Count what passes through this engine in the block."""
        commit = engine.dialect.do_commit

        def before_statement(connection: Connection, *_: Any) -> None:
            self._pass(connection.connection)

        def around_commit(pooled: Any) -> None:
            self._pass(pooled)
            commit(pooled)
            self._pass(pooled, is_committed=True)

        event.listen(engine, "before_cursor_execute", before_statement)
        engine.dialect.do_commit = around_commit  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            engine.dialect.do_commit = commit  # type: ignore[method-assign]
            event.remove(engine, "before_cursor_execute", before_statement)

    def _pass(self, pooled: Any, *, is_committed: bool = False) -> None:
        here, self.passed = self.passed, self.passed + 1
        if here != self._chosen:
            return
        if self._end_session is None:
            raise Crashed
        self._end_session(pooled.driver_connection.info.backend_pid)
        if is_committed:
            # What COMMIT answered never arrives.
            raise psycopg2.OperationalError("server closed the connection unexpectedly")
