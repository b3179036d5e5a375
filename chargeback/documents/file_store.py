"""The folder that published documents lie in: a file is there whole, or not at all.

Owns writing, reading and comparing files under one root. Which files there should be, with which
size and hash, is the ledger's `documents` table.
"""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from chargeback.errors import ChargebackError, Invalid, NotFound, Refused, Unavailable

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)
UNFINISHED = ".unfinished-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_IN_THE_WAY = {errno.ELOOP, errno.ENOTDIR, errno.EISDIR}
_STRANGER = "file_in_the_way"
_TRIES = 5


@dataclass(frozen=True)
class Published:
    """A file in the store: its place under the root, its size and what is in it."""

    uri: str
    bytes: int
    sha256: str


class FileStore:
    """Published files under `root`, readable by their owner only."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tidied: set[tuple[str, ...]] = set()

    def path(self, uri: str) -> Path:
        """Where a person finds the file. Raises Invalid for a name that leaves the root."""
        return self.root.joinpath(*_parts(uri))

    def make_folder(self, name: str) -> Path:
        """The folder `name`, there durably; no part of it is a symlink that leads elsewhere."""
        with self.explained(name), self._folder(_parts(name), create=True) as folder:
            os.fsync(folder)
        return self.path(name)

    def publish(self, name: str, data: bytes) -> Published:
        """Put `data` under `name`, durably: after a crash the file is the old one or the new one.

        Rerun: the same bytes under the same name change nothing.
        Raises Unavailable (disk full, failing) or Refused (no permission, something in the way).
        """
        *folders, leaf = _parts(name)
        published = Published(name, len(data), hashlib.sha256(data).hexdigest())
        try:
            with self.explained(name), self._folder(folders, create=True) as folder:
                self._clear_unfinished(folder, tuple(folders))
                _refuse_stranger(folder, leaf, self.root / name)
                if not _holds(folder, leaf, published):
                    _replace(folder, leaf, data)
                os.fsync(folder)
        except NotFound:
            raise Unavailable(
                "folder_vanished",
                f"{self.root / name} was not written: its folder was removed meanwhile; rerun.",
            ) from None
        return published

    def read(self, uri: str) -> bytes:
        """The bytes of a published file. Raises NotFound where there is none."""
        *folders, leaf = _parts(uri)
        with self.explained(uri), self._folder(folders) as folder:
            return _read(folder, leaf)

    def matches(self, uri: str, bytes: int, sha256: str) -> bool:  # noqa: A002
        """Whether the file is there with exactly this size and SHA-256."""
        *folders, leaf = _parts(uri)
        try:
            with self.explained(uri), self._folder(folders) as folder:
                return _holds(folder, leaf, Published(uri, bytes, sha256))
        except NotFound:
            return False
        except Refused as refusal:
            if refusal.code == _STRANGER:
                return False
            raise

    @contextmanager
    def _folder(self, parts: Sequence[str], create: bool = False) -> Iterator[int]:
        """The folder as a descriptor, reached step by step so that no symlink leads elsewhere."""
        if create:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(self.root, _FOLDER & ~os.O_NOFOLLOW)
        try:
            for part in parts:
                if create:
                    _make_folder(folder, part)
                inner = os.open(part, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)

    def _clear_unfinished(self, folder: int, parts: tuple[str, ...]) -> None:
        """Remove what killed writers left; a living one holds a lock on its file."""
        if parts in self._tidied:
            return
        for name in os.listdir(folder):
            if name.startswith(UNFINISHED):
                with suppress(OSError), _opened(name, os.O_RDONLY, folder) as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(name, dir_fd=folder)
        self._tidied.add(parts)

    @contextmanager
    def explained(self, name: str) -> Iterator[None]:
        """Turn what the file system says into a sentence with the file and the next step."""
        try:
            yield
        except OSError as error:
            raise _as_sentence(error, self.root / name) from error


def _as_sentence(error: OSError, path: Path) -> ChargebackError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    if isinstance(error, FileNotFoundError):
        return NotFound(
            "file_missing", f"{path} is not there; publish the period again to restore it."
        )
    if error.errno in _FULL:
        return Unavailable("disk_full", f"{path} was not written: {reason}; free space and rerun.")
    if error.errno in _FORBIDDEN:
        return Refused(
            "file_forbidden",
            f"{path} cannot be used: {reason}; give this user the folder or set "
            "CHARGEBACK_FILE_STORE to one it may write.",
        )
    if error.errno in _IN_THE_WAY:
        return Refused(
            _STRANGER,
            f"{path} is not a plain file in plain folders ({reason}); move away what is there "
            "and publish again.",
        )
    return Unavailable("file_failed", f"{path} failed: {reason}; check the disk and rerun.")


def _parts(name: str) -> list[str]:
    """The folders and the file that `name` is made of; none may lead out of the root."""
    parts = name.split("/")
    if not all(_PART.fullmatch(part) and not part.endswith(".") for part in parts):
        raise Invalid(
            "file_name_invalid",
            f"{name[:80]!r} is no name in the file store; write letters, digits, '.', '_' and '-' "
            "between slashes, like 'invoices/2026-10/INV-20261101-0001_team_1a2b3c4d.pdf'.",
        )
    return parts


def _make_folder(parent: int, name: str) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
        os.fsync(parent)


def _refuse_stranger(folder: int, leaf: str, path: Path) -> None:
    """Raise Refused where a symlink or anything but a plain file has the name."""
    with suppress(FileNotFoundError):
        kind = os.stat(leaf, dir_fd=folder, follow_symlinks=False).st_mode
        if not stat.S_ISREG(kind):
            raise Refused(
                _STRANGER,
                f"{path} is not a plain file; move away what is there and publish again.",
            )


@contextmanager
def _opened(name: str, flags: int, folder: int) -> Iterator[int]:
    file = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        yield file
    finally:
        os.close(file)


def _read(folder: int, leaf: str) -> bytes:
    with (
        _opened(leaf, os.O_RDONLY, folder) as descriptor,
        open(descriptor, "rb", closefd=False) as file,
    ):
        return file.read()


def _holds(folder: int, leaf: str, expected: Published) -> bool:
    try:
        if os.stat(leaf, dir_fd=folder, follow_symlinks=False).st_size != expected.bytes:
            return False
        return hashlib.sha256(_read(folder, leaf)).hexdigest() == expected.sha256
    except FileNotFoundError:
        return False


def _replace(folder: int, leaf: str, data: bytes) -> None:
    """Write beside the file, to the disk, then rename: readers see the old bytes or the new."""
    for _ in range(_TRIES):
        unfinished = f"{UNFINISHED}{secrets.token_hex(8)}"
        with _opened(unfinished, _NEW_FILE, folder) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if not os.fstat(file).st_nlink:
                    continue  # Taken for a dead writer's before it was locked: begin again.
                _write(file, data)
                os.fsync(file)
                os.rename(unfinished, leaf, src_dir_fd=folder, dst_dir_fd=folder)
                return
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(unfinished, dir_fd=folder)
                raise
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
