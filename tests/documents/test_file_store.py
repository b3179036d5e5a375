"""Published files are whole or absent, and never outside their folder."""

import errno
import hashlib
import os
import stat
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from chargeback.documents.file_names import file_name, period_folder
from chargeback.documents.file_store import FileStore, Published
from chargeback.errors import ChargebackError, Invalid, NotFound, Refused, Unavailable
from chargeback.periods import Period

NAME = "invoices/2026-10/INV-20261101-0001_team-search_1a2b3c4d.pdf"
HELLO_SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

NAMES = (
    "../../etc/passwd", "..", ".", "", "CON", "con", "NUL", "aux.txt", "a" * 300, "a" * 301,
    "A/B", "A B", "A-B", "a-b", "é", unicodedata.normalize("NFD", "é"), "e", "שירות", "خدمة",
    "\u202egpj.exe", "a\0b", "a\nb", "~root", "-rf", ".hidden", "a.", "a ", "🚀", "🛰", "C:\\x",
    "%2e%2e%2f", "検索",
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def files(store: FileStore) -> list[str]:
    """Every file under the root, hidden ones too."""
    found = (path for path in store.root.rglob("*") if not path.is_dir())
    return sorted(str(path.relative_to(store.root)) for path in found)


def test_a_published_file_is_there_with_its_size_and_hash(store: FileStore) -> None:
    assert store.publish(NAME, b"hello") == Published(NAME, 5, HELLO_SHA256)
    assert store.read(NAME) == b"hello"
    assert store.matches(NAME, 5, HELLO_SHA256)
    assert files(store) == [NAME]


def test_files_and_folders_are_their_owners_only(store: FileStore) -> None:
    store.publish(NAME, b"hello")
    assert stat.S_IMODE(store.path(NAME).stat().st_mode) == 0o600
    for folder in (store.root, store.root / "invoices", store.root / "invoices/2026-10"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_publishing_the_same_bytes_again_leaves_the_file_untouched(store: FileStore) -> None:
    store.publish(NAME, b"hello")
    before = store.path(NAME).stat()
    store.publish(NAME, b"hello")
    assert (store.path(NAME).stat().st_ino, store.path(NAME).stat().st_mtime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
    )


def test_other_bytes_replace_the_file(store: FileStore) -> None:
    store.publish(NAME, b"old")
    store.publish(NAME, b"hello")
    assert store.read(NAME) == b"hello"
    assert not store.matches(NAME, 3, hashlib.sha256(b"old").hexdigest())


def test_a_damaged_file_does_not_match_and_is_mended(store: FileStore) -> None:
    store.publish(NAME, b"hello")
    store.path(NAME).write_bytes(b"hellO")
    assert not store.matches(NAME, 5, HELLO_SHA256)
    store.publish(NAME, b"hello")
    assert store.matches(NAME, 5, HELLO_SHA256)


def test_a_missing_file_does_not_match_and_reading_it_says_what_to_do(store: FileStore) -> None:
    assert not store.matches(NAME, 5, HELLO_SHA256)
    with pytest.raises(NotFound, match="publish the period again"):
        store.read(NAME)


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/etc/passwd",
        "a/../b",
        "a//b",
        "",
        ".",
        "a/.hidden",
        "a\\b",
        "a\0b",
        "a b",
        "é",
        "a./b",
        "x" * 201,
    ],
)
def test_names_that_could_lead_elsewhere_are_refused(store: FileStore, name: str) -> None:
    with pytest.raises(Invalid, match="is no name in the file store"):
        store.publish(name, b"hello")
    assert not store.root.exists()


def test_a_symlink_in_the_place_of_a_file_is_refused(store: FileStore, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"hello")
    store.publish("a/first.pdf", b"x")
    (store.root / "a/link.pdf").symlink_to(target)
    with pytest.raises(Refused, match=r"a/link\.pdf is not a plain file"):
        store.publish("a/link.pdf", b"y")
    with pytest.raises(Refused, match="move away what is there"):
        store.read("a/link.pdf")
    assert not store.matches("a/link.pdf", 5, HELLO_SHA256)
    assert target.read_bytes() == b"hello"


def test_a_symlink_in_the_place_of_a_folder_is_refused(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    store.root.mkdir()
    (store.root / "invoices").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused):
        store.publish(NAME, b"hello")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_in_the_place_of_a_file_is_refused(store: FileStore) -> None:
    (store.root / NAME).mkdir(parents=True)
    with pytest.raises(Refused, match="is not a plain file"):
        store.publish(NAME, b"hello")


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename"])
@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (errno.ENOSPC, Unavailable, "free space and rerun"),
        (errno.EDQUOT, Unavailable, "free space and rerun"),
        (errno.EACCES, Refused, "CHARGEBACK_FILE_STORE"),
        (errno.EIO, Unavailable, "check the disk"),
        (errno.ENOENT, Unavailable, "removed meanwhile"),
    ],
)
def test_a_failing_disk_leaves_the_old_file_whole_and_no_other(
    store: FileStore,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
    kind: type[ChargebackError],
    said: str,
) -> None:
    store.publish(NAME, b"hello")
    really = getattr(os, call)

    def fails(*args: Any, **kwargs: Any) -> Any:
        if call == "open" and not str(args[0]).startswith(".unfinished"):
            return really(*args, **kwargs)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(os, call, fails)
        with pytest.raises(kind, match=said) as failure:
            store.publish(NAME, b"other bytes")
    assert NAME in failure.value.message
    assert files(store) == [NAME]
    assert store.read(NAME) == b"hello"


def test_short_writes_are_carried_on(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.write
    monkeypatch.setattr(os, "write", lambda file, data: really(file, data[:2]))
    store.publish(NAME, b"hello")
    assert store.read(NAME) == b"hello"


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_killed_writer_leaves_the_old_file_and_the_next_one_clears_up(
    store: FileStore, call: str
) -> None:
    store.publish(NAME, b"hello")
    program = (
        "import os, signal, sys; from pathlib import Path; "
        "from chargeback.documents import file_store as f; "
        f"f.os.{call} = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL); "
        "f.FileStore(Path(sys.argv[1])).publish(sys.argv[2], b'half')"
    )
    root = Path(__file__).parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", program, str(store.root), NAME], cwd=root, check=False
    )
    assert killed.returncode == -9
    assert len(files(store)) == 2
    assert store.read(NAME) == b"hello"
    FileStore(store.root).publish(NAME, b"next")
    assert files(store) == [NAME]
    assert store.read(NAME) == b"next"


def test_what_another_writer_is_writing_is_left_alone(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.fsync
    nested: list[Published] = []

    def meanwhile(file: int) -> None:
        if not nested and stat.S_ISREG(os.fstat(file).st_mode):
            nested.append(Published("", 0, ""))
            nested[0] = FileStore(store.root).publish(NAME.replace("0001", "0002"), b"second")
        really(file)

    monkeypatch.setattr(os, "fsync", meanwhile)
    store.publish(NAME, b"first")
    assert store.read(NAME) == b"first"
    assert store.read(nested[0].uri) == b"second"


def test_names_that_look_alike_get_different_files_inside_the_root(store: FileStore) -> None:
    published = {store.publish(file_name("INV-1", name, suffix="pdf"), b"x").uri for name in NAMES}
    assert len({uri.lower() for uri in published}) == len(NAMES) == 32
    for uri in published:
        assert store.path(uri).resolve().is_relative_to(store.root.resolve())


@pytest.mark.parametrize("name", NAMES)
def test_file_names_are_plain_whatever_the_name(name: str) -> None:
    for made in (file_name("INV-20261101-0001", name, suffix="pdf"), file_name(name, suffix="pdf")):
        stem, _, suffix = made.rpartition(".")
        number, slug, digits = stem.split("_")
        assert suffix == "pdf"
        assert number.replace("-", "").isalnum()
        assert 1 <= len(slug) <= 48
        assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert len(digits) == 8
        assert made.isascii()


def test_a_file_name_is_the_same_every_time() -> None:
    # The digits are the first of SHA-256 of "17:INV-20261101-000111:team-search".
    expected = hashlib.sha256(b"17:INV-20261101-000111:team-search").hexdigest()[:8]
    made = file_name("INV-20261101-0001", "team-search", suffix="pdf")
    assert made == f"INV-20261101-0001_team-search_{expected}.pdf"


def test_where_one_part_ends_and_the_next_begins_counts() -> None:
    assert file_name("r", "ab", "c", suffix="csv") != file_name("r", "a", "bc", suffix="csv")


def test_a_period_has_a_folder_without_spaces() -> None:
    assert period_folder(Period.month("2026-10")) == "2026-10"
    assert period_folder(Period.parse("2026-10-01/2026-10-10")) == "2026-10-01_2026-10-10"
