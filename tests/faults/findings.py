"""What every fault must leave behind: the same facts, sound books, and words that people can read."""

import re
from pathlib import Path

from sqlalchemy import Connection, text

from chargeback.documents.file_store import FileStore
from chargeback.ledger.database import snapshot
from chargeback.ledger.digest import parts
from chargeback.ledger.verify import verify

# How the drivers and SQLAlchemy speak; none of it may reach a person.
RAW = re.compile(
    r"psycopg|asyncpg|sqlalchemy|sqlalche\.me|DETAIL:|CONTEXT:|SQLSTATE"
    r"|\bSELECT\b|\bINSERT INTO\b|\bUPDATE \w+ SET\b|\bduplicate key\b|\bdeadlock detected\b"
    r"|UniqueViolation|DeadlockDetected|IntegrityError|OperationalError|InterfaceError|DBAPIError",
)


def facts(url: str | None = None) -> dict[str, str]:
    """A hash per part of what the ledger says, and one of what was published."""
    with snapshot(url) as connection:
        return {**parts(connection), "published": _published(connection)}


def _published(connection: Connection) -> str:
    rows = connection.execute(text("SELECT kind, subject, uri, sha256 FROM documents ORDER BY uri"))
    return "\n".join(" ".join(row) for row in rows)


def assert_sound(files: Path, url: str | None = None) -> None:
    """Every invariant holds, that of the published files included."""
    with snapshot(url) as connection:
        broken = verify(connection, None, FileStore(files))
    assert not broken, broken


def assert_readable(said: str) -> None:
    """What a person is told is in our words."""
    assert not RAW.search(said), said
