"""A folder of files is published whole or not at all, and named by what is in it."""

from pathlib import Path

import pytest

from chargeback.documents.edition import Drawn, Edition
from chargeback.documents.file_store import FileStore
from chargeback.errors import Refused
from chargeback.ledger.publications import Publication

PAGES = (("index.html", b"<p>all"), ("teams/red.html", b"<p>red"))


def published(store: FileStore, *pages: tuple[str, bytes]) -> list[Publication]:
    with Edition(store, "reports/2026-10") as edition:
        for name, data in pages or PAGES:
            add(edition, name, data)
        return edition.publish()


def add(edition: Edition, name: str, data: bytes) -> None:
    edition.add(edition.spool.write([Drawn("report", name, name, None, data)]))


def folders(store: FileStore) -> list[str]:
    return sorted(path.name for path in store.path("reports/2026-10").iterdir())


def test_the_same_files_make_the_same_folder_whatever_their_order(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    first = published(store)
    assert {one.uri for one in published(store, *PAGES[::-1])} == {one.uri for one in first}
    assert len(folders(store)) == 1
    assert store.read(first[1].uri) == b"<p>red"
    assert all(store.matches(one.uri, one.bytes, one.sha256) for one in first)


def test_other_content_makes_another_folder_and_what_was_stays(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    before, after = published(store), published(store, PAGES[0], ("teams/red.html", b"<p>blue"))
    assert len(folders(store)) == 2
    assert store.read(before[1].uri) == b"<p>red"
    assert store.read(after[1].uri) == b"<p>blue"


def test_what_was_lost_or_damaged_is_put_in_its_place_again(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    one, other = published(store)
    store.path(one.uri).unlink()
    store.path(other.uri).write_bytes(b"tampered")
    published(store)
    assert store.read(one.uri) == b"<p>all"
    assert store.read(other.uri) == b"<p>red"


def test_what_was_written_and_not_published_leaves_nothing(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    with Edition(store, "reports/2026-10") as edition:
        add(edition, "index.html", b"<p>")
    assert folders(store) == []


def test_what_a_killed_writer_left_is_cleared_and_a_living_ones_is_not(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    left = store.path("reports/2026-10") / ".unfinished-dead"
    left.mkdir(parents=True)
    (left / "index.html").write_bytes(b"half")
    with Edition(store, "reports/2026-10") as living:
        assert not left.exists()
        add(living, "index.html", b"<p>")
        published(store)
        assert len(living.publish()) == 1
    assert len(folders(store)) == 2


def test_a_symlink_leads_nowhere_else(tmp_path: Path) -> None:
    store, elsewhere = FileStore(tmp_path / "files"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "reports").symlink_to(elsewhere)
    with pytest.raises(Refused, match="reports"):
        published(store)
    assert list(elsewhere.iterdir()) == []


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    (uri,) = {one.uri.rpartition("/")[0] for one in published(store, PAGES[0])}
    store.path(f"{uri}/index.html").unlink()
    store.path(uri).rmdir()
    store.path(uri).write_bytes(b"a file")
    with pytest.raises(Refused, match=uri):
        published(store, PAGES[0])
