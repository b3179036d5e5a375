"""Waiting for another session to wait for a lock, so that two transactions surely meet."""

import time

from sqlalchemy import Connection, text


def wait_until_somebody_waits(connection: Connection) -> None:
    """Return once a session waits for a lock; fails after 20 seconds without one."""
    query = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    deadline = time.monotonic() + 20
    while not connection.execute(query).scalar():
        assert time.monotonic() < deadline
        time.sleep(0.01)
