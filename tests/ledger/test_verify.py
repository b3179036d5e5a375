"""Every invariant, broken on purpose: verify names it, and nothing that is not broken."""

from pathlib import Path

import pytest

from chargeback.documents.file_store import FileStore
from chargeback.ledger import publications
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.publications import Publication
from chargeback.ledger.verify import INVARIANTS, Broken, Reach, reach, verify
from chargeback.periods import Period
from tests.conftest import Ledger
from tests.ledger.books import Books
from tests.ledger.damages import DAMAGES, Damage
from tests.ledger.year_end import ETL, LAB_IN_NOVEMBER

OCTOBER, NOVEMBER = Period.month("2026-10"), Period.month("2026-11")


@pytest.fixture
def books(year_end_books: Books) -> Books:
    return year_end_books


def found(period: Period | None = None, files: FileStore | None = None) -> list[Broken]:
    with snapshot() as connection:
        return verify(connection, period, files)


def reached(period: Period | None) -> Reach:
    with snapshot() as connection:
        return reach(connection, period)


def test_an_empty_ledger_ties_out(ledger: Ledger) -> None:
    assert found() == []


def test_usage_that_is_not_allocated_yet_ties_out(ledger: Ledger) -> None:
    Books(ledger).use("search", "ana", "1.50").refuse("2").load()
    assert found() == []


def test_a_year_in_which_everything_happened_ties_out(books: Books) -> None:
    assert found() == []


def test_a_draft_made_stale_by_new_usage_ties_out(books: Books) -> None:
    books.use("team-ops", "u-ops", "7", "2026-11-05", external_id="more").allocate("2026-11")
    assert [row.number for row in books.query("SELECT number FROM invoices WHERE is_stale")] == [
        "INV-20261201-0009"
    ]
    assert found() == []


def test_a_cancelled_draft_ties_out(books: Books) -> None:
    books.cancel(LAB_IN_NOVEMBER)
    assert found() == []


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.what)
def test_verify_names_what_is_broken(books: Books, damage: Damage) -> None:
    books.damage(*damage.statements)
    broken = found()
    assert {one.invariant for one in broken} == damage.found, broken
    assert any(damage.told in one.sentence for one in broken), broken


def test_every_invariant_is_broken_on_purpose_once() -> None:
    """The files of invariant 13 have their own test."""
    broken = set().union(*(damage.found for damage in DAMAGES))
    assert broken | {13} == {invariant.number for invariant in INVARIANTS} == set(range(1, 15))


@pytest.mark.parametrize("content", [None, b"%PDF-1.5"], ids=["gone", "changed"])
def test_verify_names_a_published_file_that_is(
    books: Books, tmp_path: Path, content: bytes | None
) -> None:
    files = FileStore(tmp_path / "files")
    kept = files.publish("invoices/2026-10/etl.pdf", b"%PDF-1.4")
    with transaction() as connection:
        publications.keep(
            connection, [Publication("invoice", ETL, kept.uri, kept.bytes, kept.sha256)]
        )
    assert found(files=files) == []
    path = files.path(kept.uri)
    path.unlink()
    if content:
        path.write_bytes(content)
    (broken,) = found(files=files)
    assert broken.invariant == 13
    assert broken.sentence.startswith(f"the invoice of {ETL} is not in {path} with 8 bytes")
    assert found(OCTOBER, files) == [broken]
    assert found(NOVEMBER, files) == []
    assert found() == []


def test_of_many_broken_things_twenty_are_named_and_the_others_counted(books: Books) -> None:
    books.damage(
        "ALTER TABLE usage_manifests DROP CONSTRAINT received_is_accounted_for",
        "UPDATE usage_manifests SET received_count = received_count + 1",
    )
    ((manifests,),) = books.query("SELECT count(*) FROM usage_manifests")
    broken = found()
    assert len(broken) == 21
    assert broken[-1].sentence == f"and {manifests - 20} more like these"


def test_a_period_is_verified_by_its_days_and_the_documents_that_touch_them(books: Books) -> None:
    books.damage("UPDATE usage_records SET cost = cost + 1 WHERE external_id = 'solo'")
    assert {one.invariant for one in found(OCTOBER)} == {2, 5}
    assert found(NOVEMBER) == []


def test_a_document_that_bills_late_usage_of_a_period_touches_it(books: Books) -> None:
    books.damage("UPDATE invoice_lines SET quantity = quantity + 1 WHERE kind = 'late'")
    assert {one.invariant for one in found(OCTOBER)} == {6}


def test_what_a_period_leaves_out_is_counted(books: Books) -> None:
    """October has 31 days; of 11 documents only team-ops' November one bills none of them."""
    assert str(reached(OCTOBER)) == (
        "31 days and 10 documents looked at, 1 days and 1 documents skipped"
    )
    assert str(reached(NOVEMBER)) == (
        "1 days and 2 documents looked at, 31 days and 9 documents skipped"
    )
    assert (
        str(reached(None)) == "32 days and 11 documents looked at, 0 days and 0 documents skipped"
    )


def test_progress_tells_each_invariant_in_turn(ledger: Ledger) -> None:
    told: list[tuple[str, int, int]] = []
    with snapshot() as connection:
        verify(connection, say=lambda *step: told.append(step))
    assert [done for _, done, _ in told] == list(range(14))
    assert told[0] == (
        "each usage fact is held once per revision, and taken back by the next",
        0,
        14,
    )
