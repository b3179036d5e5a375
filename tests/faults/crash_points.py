"""Every point at which a step may die on its way through Postgres, and the means to make it die there.

A point lies before and after each statement and each COMMIT. They are seen where the driver is called, so that
COPY is among them; what the connection pool asks for itself is not.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2.extensions import connection as driver_connection
from psycopg2.extensions import cursor as driver_cursor
from sqlalchemy import Engine, event


@dataclass(frozen=True)
class Point:
    """The `number`-th point of a step, counted from 0; after a COMMIT the work is done and nobody has heard of it."""

    number: int
    is_commit: bool
    is_after: bool


Fault = Callable[[driver_connection, Point], None]


class Crashed(BaseException):
    """The process ends here; only the database's own rollback comes after it."""


def crash(_connection: driver_connection, _point: Point) -> None:
    """The simplest fault: the step goes no further."""
    raise Crashed


def never_answered() -> psycopg2.OperationalError:
    """What the driver says of a COMMIT whose answer was lost with the server."""
    return psycopg2.OperationalError("server closed the connection unexpectedly")


class Points:
    """Notes the points that are passed, and lets the fault happen at the one chosen."""

    def __init__(self, chosen: int | None = None, fault: Fault = crash) -> None:
        self.passed: list[Point] = []
        self._chosen = chosen
        self._fault = fault

    @property
    def has_struck(self) -> bool:
        """Whether the fault happened."""
        return self._chosen is not None and len(self.passed) > self._chosen

    @contextmanager
    def watching(self, engine: Engine) -> Iterator[None]:
        """Note what passes through this engine in the block, by connections made for it."""
        engine.dispose()
        listeners: dict[str, Callable[..., Any]] = {
            "do_connect": _connect,
            "checkout": self._lend,
            "checkin": _take_back,
        }
        for name, listener in listeners.items():
            event.listen(engine, name, listener)
        # What a pool asks of its first connection is no step's.
        engine.connect().close()
        self.passed.clear()
        try:
            yield
        finally:
            for name, listener in listeners.items():
                event.remove(engine, name, listener)

    def _lend(self, connection: Any, *_: Any) -> None:
        connection.points = self

    @contextmanager
    def around(self, connection: driver_connection, is_commit: bool) -> Iterator[None]:
        """The points before and after what the block does; there is none after what failed."""
        self._pass(connection, is_commit, is_after=False)
        yield
        self._pass(connection, is_commit, is_after=True)

    def _pass(self, connection: driver_connection, is_commit: bool, *, is_after: bool) -> None:
        point = Point(len(self.passed), is_commit, is_after)
        self.passed.append(point)
        if point.number == self._chosen:
            self._fault(connection, point)


class _Cursor(driver_cursor):
    def execute(self, *arguments: Any) -> None:
        with _around(self.connection):
            super().execute(*arguments)

    def executemany(self, *arguments: Any) -> None:
        with _around(self.connection):
            super().executemany(*arguments)

    def copy_expert(self, *arguments: Any, **named: Any) -> None:
        with _around(self.connection):
            super().copy_expert(*arguments, **named)


class _Connection(driver_connection):
    """The driver's, whose calls are points while it is lent to a step."""

    points: Points | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.cursor_factory = _Cursor

    def commit(self) -> None:
        with _around(self, is_commit=True):
            super().commit()


@contextmanager
def _around(connection: Any, *, is_commit: bool = False) -> Iterator[None]:
    points: Points | None = connection.points
    if points is None:
        yield
        return
    with points.around(connection, is_commit):
        yield


def _connect(_dialect: Any, _record: Any, arguments: Any, named: dict[str, Any]) -> None:
    named["connection_factory"] = _Connection


def _take_back(connection: Any, *_: Any) -> None:
    if connection is not None:
        connection.points = None
