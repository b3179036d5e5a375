"""Which files were published: kind, subject, place, size and hash. The bytes are the file store's."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, text


class Publication(NamedTuple):
    """A published file, as the ledger knows it."""

    kind: str
    subject: str
    uri: str
    bytes: int
    sha256: str


def keep(connection: Connection, publications: Iterable[Publication]) -> int:
    """Record files that are safely in the store; how many were new. The same file again changes nothing."""
    new = 0
    for publication in publications:
        new += connection.execute(
            text("""INSERT INTO documents (kind, subject, uri, bytes, sha256)
                    VALUES (:kind, :subject, :uri, :bytes, :sha256) ON CONFLICT (uri) DO NOTHING"""),
            publication._asdict(),
        ).rowcount
    return new


def newest(connection: Connection, kind: str) -> dict[str, Publication]:
    """Of each subject its newest file of that kind."""
    rows = connection.execute(
        text("""SELECT DISTINCT ON (subject) kind, subject, uri, bytes, sha256 FROM documents
                WHERE kind = :kind ORDER BY subject, document_id DESC"""),
        {"kind": kind},
    )
    return {row.subject: Publication(*row) for row in rows}
