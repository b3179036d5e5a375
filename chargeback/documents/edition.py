"""A folder of files that belong together: published whole, named by all that is in it, never changed after.

Owns how such a folder comes to be: its files are written beside, and the folder gets its name by one rename. So the
same files make the same folder, and others another one beside it.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from chargeback.documents.file_store import UNFINISHED, FileStore
from chargeback.ledger.publications import Publication

SYNCS_AT_ONCE = 16


class Piece(NamedTuple):
    """A file of the folder: what it is, about what, and whose viewers may read it."""

    kind: str
    subject: str
    name: str
    team_id: str | None
    bytes: int
    sha256: str


class Edition:
    """The files of one folder to be, while they are written; what was not published is gone at the end."""

    def __init__(self, store: FileStore, folder: str) -> None:
        self._store, self._folder = store, folder
        self._pieces: list[Piece] = []
        self._place = store.path(folder)
        self._spool = self._place / f"{UNFINISHED}{secrets.token_hex(8)}"
        self._lock = -1

    def __enter__(self) -> Self:
        with self._store.explained(self._folder):
            self._store.make_folder(self._folder)
            for left in self._place.glob(f"{UNFINISHED}*"):
                _clear(left)
            self._spool.mkdir(mode=0o700)
            self._lock = os.open(self._spool, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._lock)
        shutil.rmtree(self._spool, ignore_errors=True)

    def add(self, kind: str, subject: str, name: str, team_id: str | None, data: bytes) -> None:
        """Write a file of the folder to be; `name` may have folders of its own."""
        path = self._spool / name
        with self._store.explained(f"{self._folder}/{name}"):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with open(path, "xb", opener=_privately) as file:
                file.write(data)
        digest = hashlib.sha256(data).hexdigest()
        self._pieces.append(Piece(kind, subject, name, team_id, len(data), digest))

    def publish(self) -> list[Publication]:
        """Give the folder its name, durably: what the ledger is to know of its files.

        Rerun: the same files are there already; what of them was lost or damaged is put in its place again.
        Raises Unavailable (disk full, failing) or Refused (no permission, something in the way).
        """
        named = f"{self._folder}/{_digest(self._pieces)}"
        with self._store.explained(named):
            _to_disk(self._spool)
            try:
                self._spool.rename(self._store.path(named))
            except OSError:
                # It is there already, or something is in the way: then each file says what.
                self._mend(named)
            _sync(self._place)
        return [
            Publication(one.kind, one.subject, f"{named}/{one.name}", one.bytes, one.sha256, one.team_id)
            for one in self._pieces
        ]  # fmt: skip

    def _mend(self, named: str) -> None:
        for piece in self._pieces:
            uri = f"{named}/{piece.name}"
            if not self._store.matches(uri, piece.bytes, piece.sha256):
                self._store.publish(uri, (self._spool / piece.name).read_bytes())


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _digest(pieces: Iterable[Piece]) -> str:
    """Eight hex digits that other files, or other content, would not have."""
    digest = hashlib.sha256()
    for piece in sorted(pieces, key=lambda one: one.name):
        digest.update(f"{piece.name} {piece.sha256}\n".encode())
    return digest.hexdigest()[:8]


def _clear(left: Path) -> None:
    """Remove what a killed writer left; a living one holds a lock on its folder."""
    with suppress(OSError):
        folder = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        finally:
            os.close(folder)


def _to_disk(spool: Path) -> None:
    """Have every file and folder on the disk before the name is.

    Many at once: a disk that is asked for several writes them in one go.
    """
    folders = [Path(folder) for folder, _, _ in os.walk(spool, topdown=False)]
    with ThreadPoolExecutor(SYNCS_AT_ONCE, "sync") as threads:
        for folder in folders:
            files = [entry for entry in folder.iterdir() if entry.is_file()]
            list(threads.map(_sync, files))
            _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
