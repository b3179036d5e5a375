"""A folder of files that belong together: published whole, named by all that is in it, never changed after.

Owns how such a folder comes to be: its files are written beside, and the folder gets its name by one rename. So the
same files make the same folder, and others another one beside it. Several processes may write its files.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from chargeback.documents.file_store import UNFINISHED, FileStore
from chargeback.ledger.publications import Publication

SYNCS_AT_ONCE = 16


class Drawn(NamedTuple):
    """A file to be: what it is, about what, its name in the folder, whose viewers may read it, its bytes.

    The name may have folders of its own.
    """

    kind: str
    subject: str
    name: str
    team_id: str | None
    data: bytes


class Piece(NamedTuple):
    """A file of the folder: what it is, about what, and whose viewers may read it."""

    kind: str
    subject: str
    name: str
    team_id: str | None
    bytes: int
    sha256: str


class Spool(NamedTuple):
    """Where the files of the folder lie until it has its name; it may be sent to other processes."""

    store: FileStore
    folder: str
    path: Path

    def write(self, files: Sequence[Drawn]) -> list[Piece]:
        """Have the files on the disk; what lies there of the same name is replaced."""
        paths = [self.path / file.name for file in files]
        with self.store.explained(self.folder):
            for folder in {path.parent for path in paths}:
                folder.mkdir(mode=0o700, exist_ok=True)
        for path, file in zip(paths, files, strict=True):
            with (
                self.store.explained(f"{self.folder}/{file.name}"),
                open(path, "wb", opener=_privately) as new,
            ):
                new.write(file.data)
        # Many at once: a disk that is asked for several writes them in one go.
        with (
            self.store.explained(self.folder),
            ThreadPoolExecutor(SYNCS_AT_ONCE, "sync") as threads,
        ):
            list(threads.map(_sync, paths))
        return [
            Piece(*file[:4], len(file.data), hashlib.sha256(file.data).hexdigest())
            for file in files
        ]


class Edition:
    """The files of one folder to be, while they are written; what was not published is gone at the end."""

    def __init__(self, store: FileStore, folder: str) -> None:
        self._store, self._folder = store, folder
        self._pieces: list[Piece] = []
        self._place = store.path(folder)
        self.spool = Spool(store, folder, self._place / f"{UNFINISHED}{secrets.token_hex(8)}")
        self._lock = -1

    def __enter__(self) -> Self:
        with self._store.explained(self._folder):
            self._store.make_folder(self._folder)
            for left in self._place.glob(f"{UNFINISHED}*"):
                _clear(left)
            self.spool.path.mkdir(mode=0o700)
            self._lock = os.open(self.spool.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._lock)
        shutil.rmtree(self.spool.path, ignore_errors=True)

    def add(self, pieces: Iterable[Piece]) -> None:
        """Files that its spool has belong to the folder to be."""
        self._pieces += pieces

    def publish(self) -> list[Publication]:
        """Give the folder its name, durably: what the ledger is to know of its files.

        Rerun: the same files are there already; what of them was lost or damaged is put in its place again.
        Raises Unavailable (disk full, failing) or Refused (no permission, something in the way).
        """
        named = f"{self._folder}/{_digest(self._pieces)}"
        with self._store.explained(named):
            for folder, _, _ in os.walk(self.spool.path, topdown=False):
                _sync(Path(folder))
            try:
                self.spool.path.rename(self._store.path(named))
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
                self._store.publish(uri, (self.spool.path / piece.name).read_bytes())


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


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
