"""Old usage leaves Postgres for files and comes back; the books say the same all along."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from chargeback.documents import archive_rows
from chargeback.documents.file_store import FileStore
from chargeback.errors import Refused
from chargeback.ledger import archives
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.digest import parts
from chargeback.ledger.verify import verify
from chargeback.settings import settings
from tasks.archive_usage import archive_month, old_months, restore_month
from tests.conftest import Ledger
from tests.ledger.books import Books

FORMS = ("csv", "parquet")


@pytest.fixture
def billed(books: Books) -> Books:
    return bill(books)


def bill(books: Books) -> Books:
    """September billed, with a late row of it in October, billed too; November is not loaded yet."""
    books.use("search", "ana", "1.50", "2026-09-05").use(
        "search", None, "0.123456789012345678901", "2026-09-30"
    )
    books.use("etl", "ben", "2.25", "2026-09-07", sku='gpt \\N "4"\n', tag="").refuse(
        "1", "2026-09-08", "bad"
    )
    books.load()
    books.query("""UPDATE usage_quarantine SET state = 'waived', decided_at = now(), decided_by = 'x',
                       decision = 'x'""")
    books.bill("2026-09", "2026-10-01")
    books.use("search", "ana", "4", "2026-10-05").use("search", "ana", "0.75", "2026-09-06").bill()
    return books.use("etl", "ben", "9", "2026-11-03")


def archive(month: str = "2026-09", form: str = "csv") -> dict[str, object]:
    return dict(archive_month.fn(month, form, "ana"))


def said() -> dict[str, str]:
    with snapshot() as connection:
        return parts(connection)


def broken() -> list[str]:
    with snapshot() as connection:
        return [one.sentence for one in verify(connection, None, FileStore(settings().files))]


def held(books: Books) -> list[str]:
    return [
        row.name
        for row in books.query("""SELECT inhrelid::regclass::text AS name FROM pg_inherits
                                              WHERE inhparent = 'usage_records'::regclass ORDER BY 1""")
    ]


@pytest.mark.parametrize("form", FORMS)
def test_a_month_goes_into_files_and_back_and_the_books_say_the_same(
    billed: Books, form: str
) -> None:
    billed.allocate("2026-11")
    before, records = said(), billed.query("SELECT * FROM usage_records ORDER BY usage_id")
    done = archive(form=form)
    assert (done["records"], done["files"]) == (4, 5), "one of usage, four of copies"
    assert held(billed) == ["usage_records_2026_10", "usage_records_2026_11"]
    assert said() == before
    assert broken() == []
    assert billed.total_by_payer("2026-09") != {}
    assert restore_month.fn("2026-09", "ana")["records"] == 4
    assert billed.query("SELECT * FROM usage_records ORDER BY usage_id") == records
    assert said() == before
    assert broken() == []
    assert restore_month.fn("2026-09", "ana")["records"] == 0
    assert archive(form=form)["records"] == 4, "and into the archive again"
    assert said() == before


def test_the_archive_holds_copies_of_what_the_usage_became(billed: Books) -> None:
    archive()
    folder = settings().files / "archive" / "2026-09"
    names = sorted(path.name.partition("_")[0] for path in folder.iterdir())
    assert names == ["allocations", "claims", "invoice-lines", "invoices", "usage-0001"]
    (path,) = folder.glob("invoices_*")
    rows = list(archive_rows.read("csv", path.read_bytes()))
    assert [row[0] for row in rows] == ["INV-20261001-0001", "INV-20261001-0002"]


def test_what_is_not_billed_is_not_touched(billed: Books) -> None:
    billed.load()
    assert archive("2026-11")["kept_by"] == ["1 days have changed since they were allocated",
                                             "1 cells are in no cost pool"]  # fmt: skip
    billed.run("2026-11", "2026-12-01")
    assert archive("2026-11")["kept_by"] == ["1 shares are on no issued document"], (
        "a draft is not enough"
    )
    billed.use("etl", "ben", "1", "2026-09-09").refuse("2", "2026-09-10", "worse").load()
    assert "1 refused rows wait for a decision" in str(archive()["kept_by"])
    assert len(held(billed)) == 3


def test_late_usage_of_an_archived_month_is_refused_and_the_horizon_is_the_newest_month(
    billed: Books,
) -> None:
    archive()
    billed.use("search", "ana", "3", "2026-09-20", external_id="late").use(
        "search", "ana", "1", "2026-08-31"
    )
    (counts,) = billed.use("search", "ana", "2", "2026-10-20").load()
    assert (counts.received, counts.new, counts.quarantined) == (4, 2, 2)
    rows = billed.query(
        "SELECT code, reason, raw_cost FROM usage_quarantine WHERE state = 'open' ORDER BY 3 DESC"
    )
    assert [row.code for row in rows] == ["archived_period"] * 2
    assert rows[0].raw_cost == Decimal(3)
    assert "usage before 2026-10-01 is archived" in rows[0].reason
    assert "usage_records_2026_08" not in held(billed)
    assert broken() == []
    (again,) = billed.use("search", "ana", "3", "2026-09-20", external_id="late").load()
    assert (again.unchanged, again.quarantined) == (1, 0)


def test_usage_that_comes_in_while_a_month_is_archived_keeps_it(billed: Books) -> None:
    month = date(2026, 9, 1)
    with snapshot() as connection:
        summed, digest = archives.sums(connection, month), "0" * 64
    billed.use("etl", "ben", "1", "2026-09-09").load()
    with (
        pytest.raises(Refused, match="came in while it was being archived"),
        transaction() as connection,
    ):
        archives.keep(connection, month, "csv", [], summed, digest, "ana")
    assert "usage_records_2026_09" in held(billed)
    assert broken() == []


def test_a_file_that_was_changed_is_not_restored(billed: Books) -> None:
    archive()
    (path,) = (settings().files / "archive" / "2026-09").glob("usage-*")
    path.write_bytes(b"not this")
    assert any("archive" in sentence for sentence in broken())
    with pytest.raises(Refused, match="is not the file that was archived"):
        restore_month.fn("2026-09", "ana")
    assert held(billed)[0] == "usage_records_2026_09", "empty: nothing of it came back"
    assert billed.query("SELECT FROM usage_records WHERE usage_at < '2026-10-01'") == []


def test_months_are_counted_back_from_today_and_only_full_ones_stay(billed: Books) -> None:
    billed.load()
    found = old_months.fn(1, date(2026, 11, 22))
    assert found == {"months": ["2026-09"], "first_kept": "2026-10"}
    assert old_months.fn(13, date(2026, 11, 22))["first_kept"] == "2025-10"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE archived_usage SET cost = cost + 1 WHERE usage_date = '2026-09-05'", "archived ones included"),
        ("DELETE FROM archived_usage WHERE usage_date = '2026-09-07'", "records and cells of team etl"),
        ("UPDATE archived_usage SET record_count = 2 WHERE usage_date = '2026-09-05'", "residual 0, 1 records"),
        ("UPDATE usage_archives SET month = '2026-10-01'", "although that month lies in the archive"),
    ],
)  # fmt: skip
def test_an_archive_that_does_not_tie_is_found(ledger: Ledger, damage: str, told: str) -> None:
    billed = bill(Books(ledger))
    archive()
    billed.damage("ALTER TABLE archived_usage DROP CONSTRAINT archived_usage_month_fkey", damage)
    assert any(told in sentence for sentence in broken()), broken()


@pytest.mark.parametrize("form", FORMS)
def test_a_file_gives_back_every_value_as_it_was(form: str, tmp_path: Path) -> None:
    columns = ["external_id", "team_id", "cost"]
    rows = [
        ('a\n,"b', "", "0.100000000000000000"),
        ("\u00fc", None, "-12345678901234567890.000000000000000001"),
    ]
    assert list(archive_rows.read(form, archive_rows.written(form, columns, rows))) == rows
