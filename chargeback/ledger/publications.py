"""Which files were published: kind, subject, place, size and hash. The bytes are the file store's."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, text

_COLUMNS = "kind, subject, uri, bytes, sha256, team_id"


class Publication(NamedTuple):
    """A published file, as the ledger knows it; `team_id` is the team whose viewers may read it, if it is one's."""

    kind: str
    subject: str
    uri: str
    bytes: int
    sha256: str
    team_id: str | None = None


def keep(connection: Connection, publications: Iterable[Publication]) -> int:
    """Record files that are safely in the store; how many were new. The same file again changes nothing."""
    rows = [publication._asdict() for publication in publications]
    columns = {name: [row[name] for row in rows] for name in Publication._fields}
    return connection.execute(
        text("""INSERT INTO documents (kind, subject, uri, bytes, sha256, team_id)
                SELECT * FROM unnest(CAST(:kind AS text[]), CAST(:subject AS text[]), CAST(:uri AS text[]),
                    CAST(:bytes AS bigint[]), CAST(:sha256 AS text[]), CAST(:team_id AS text[]))
                ON CONFLICT (uri) DO NOTHING"""),
        columns,
    ).rowcount


def newest(connection: Connection, kind: str) -> dict[str, Publication]:
    """Of each subject its newest file of that kind."""
    rows = connection.execute(
        text(f"""SELECT DISTINCT ON (subject) {_COLUMNS} FROM documents
                 WHERE kind = :kind ORDER BY subject, document_id DESC"""),  # noqa: S608
        {"kind": kind},
    )
    return {row.subject: Publication(*row) for row in rows}


def all_of(connection: Connection, kind: str) -> list[Publication]:
    """Every file of that kind that whoever asks may see, the newest first."""
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} FROM documents WHERE kind = :kind ORDER BY document_id DESC"),  # noqa: S608
        {"kind": kind},
    )
    return [Publication(*row) for row in rows]


def find(connection: Connection, uri: str) -> Publication | None:
    """The file of that place, if whoever asks may see it."""
    row = connection.execute(
        text(f"SELECT {_COLUMNS} FROM documents WHERE uri = :uri"),  # noqa: S608
        {"uri": uri},
    ).one_or_none()
    return Publication(*row) if row else None
