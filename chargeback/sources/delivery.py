"""Opens what a tracker delivered as text, complete and unchanging, or says why it cannot be used.

Owns files and encodings. Answers over HTTP become files first (`http_delivery`).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOBase, TextIOWrapper
from pathlib import Path
from typing import IO

from chargeback.errors import ChargebackError, Invalid, NotFound, Unavailable

CHUNK_CHARACTERS = 2**18
# Some 100,000 rows; starting a process takes as long as reading a tenth of them.
LARGE_BYTES = 2**24
_NO_TEXT = {
    b"\xff\xfe": "is UTF-16; save it as UTF-8",
    b"\xfe\xff": "is UTF-16; save it as UTF-8",
    b"\x1f\x8b": "is compressed (gzip); unpack it first",
    b"PK\x03\x04": "is compressed (zip); unpack it first",
    b"BZh": "is compressed (bzip2); unpack it first",
    b"\x28\xb5\x2f\xfd": "is compressed (zstd); unpack it first",
}


# What tells one state of a file from another.
FileState = tuple[int, ...]


@contextmanager
def steady_file(path: Path, name: str, known: FileState | None = None) -> Iterator[IO[bytes]]:
    """The file, which must be the same when it has been read as it was before: as it is `known` to have been.

    Raises NotFound when it is missing and Unavailable (`delivery_changed`) when it changed, also
    where that is why it could not be understood.
    """
    with _opened(path, name) as file:
        before = known or _state(os.fstat(file.fileno()))
        try:
            yield file
        except ChargebackError as fault:
            _refuse_changed(path, before, name, fault)
            raise
        except OSError as fault:
            raise Unavailable(
                "delivery_unreadable", f"{name} stopped being readable ({fault}); sync again."
            ) from fault
        _refuse_changed(path, before, name, None)


def is_large_file(path: Path) -> bool:
    """Whether the file is there and has very many rows."""
    try:
        return path.stat().st_size > LARGE_BYTES
    except (OSError, ValueError):
        return False


def state_of(path: Path) -> FileState | None:
    """What tells the file from what it may become; None where it is not there to be read."""
    try:
        return _state(path.stat())
    except (OSError, ValueError):
        return None


def _opened(path: Path, name: str) -> IO[bytes]:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise NotFound(
            "delivery_missing", f"{name} is not there; put the export there or correct `path`."
        ) from None
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or "not a file name"
        raise Invalid(
            "delivery_unreadable", f"{name} cannot be opened ({reason}); correct `path`."
        ) from None


def _state(found: os.stat_result) -> FileState:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _refuse_changed(path: Path, before: FileState, name: str, cause: Exception | None) -> None:
    if state_of(path) != before:
        raise Unavailable(
            "delivery_changed", f"{name} changed while it was read; sync again."
        ) from cause


@contextmanager
def as_text(file: IO[bytes], name: str) -> Iterator[TextIOBase]:
    """The bytes as UTF-8, with or without a BOM, line ends untouched.

    A byte that is no UTF-8 becomes a lone surrogate, which spoils the field it stands in and no
    other row. Raises Invalid (`delivery_encoding`) for what is no UTF-8 text at all.
    """
    head = file.read(4096)
    file.seek(0)
    for magic, fault in _NO_TEXT.items():
        if head.startswith(magic):
            raise Invalid("delivery_encoding", f"{name} {fault}.")
    if b"\0" in head[:4]:
        raise Invalid("delivery_encoding", f"{name} is not UTF-8 text; save it as UTF-8.")
    text = TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield text
    finally:
        text.detach()


def chunks_of(text: TextIOBase) -> Iterator[str]:
    """The text in pieces of bounded size."""
    while piece := text.read(CHUNK_CHARACTERS):
        yield piece
