"""Whatever a file holds: it is read, or refused whole, or row by row, in sentences; and the ledger stays whole."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chargeback.errors import ChargebackError
from chargeback.ledger import ledger_settings, usage_sources
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.digest import digest
from chargeback.ledger.sync import SyncCounts, sync
from models.enums import SourceRole
from tests.conftest import Ledger
from tests.faults.findings import RAW
from tests.ledger.books import Books
from tests.ledger.soundness import assert_sound
from tests.sources.bad_files import SECRET, BadFile, csv_files, line_files
from tests.sources.bad_parquet import parquet_files

FILES = [*csv_files(), *line_files(), *parquet_files()]
AS_OF = datetime(2026, 11, 1, 4, tzinfo=UTC)
pytestmark = pytest.mark.proof
Record = Callable[[str, object], None]


def now() -> str:
    with snapshot() as connection:
        return digest(connection)


def deliver(bad: BadFile, name: str, folder: Path) -> SyncCounts:
    """Read the file as a source of its own."""
    path = folder / f"{name}.file"
    path.write_bytes(bad.content)
    config = {
        key: value for key, value in bad.config.items() if key != "kind" and value is not None
    }
    with transaction() as connection:
        ledger_settings.fix(connection)
        given = {**config, "path": str(path)}
        usage_sources.put(connection, name, bad.config["kind"], SourceRole.ALLOCATE, given, "test")
    return sync(name, AS_OF)


def faults(bad: BadFile, name: str, books: Books, folder: Path) -> list[str]:
    """What is wrong with what became of it."""
    before = now()
    try:
        deliver(bad, name, folder)
    except ChargebackError as error:
        return [*refusal_faults(bad, error), *(["the books changed"] if now() != before else [])]
    except Exception as error:  # noqa: BLE001 - whatever is raised is what the case found
        return [f"a bug: {type(error).__name__}: {error}"]
    if bad.code:
        return ["it was not refused"]
    return [*row_faults(bad, name, books), *booked_faults(bad, name, books)]


def refusal_faults(bad: BadFile, error: ChargebackError) -> list[str]:
    said = str(error)
    found = [] if error.code.startswith(bad.code) and bad.code else [f"{error.code}: {said}"]
    found += [] if bad.says in said else [f"does not say {bad.says!r}: {said}"]
    return found + ([f"shows {said}"] if SECRET in said or RAW.search(said) else [])


def row_faults(bad: BadFile, name: str, books: Books) -> list[str]:
    rows = books.query(
        """SELECT position, code, reason, row::text FROM usage_quarantine JOIN usage_sources USING (source_id)
           WHERE name = :name ORDER BY position""",
        name=name,
    )
    places = tuple((row.position, row.code) for row in rows)
    found = [] if places == bad.refused else [f"refused {places}"]
    shown = [f"{row.reason} {row.row}" for row in rows]
    found += [
        f"says {row.reason}"
        for row in rows
        if not row.reason.endswith(".") or ";" not in row.reason
    ]
    return found + [f"shows {one[:200]}" for one in shown if SECRET in one or len(one) > 2_500]


def booked_faults(bad: BadFile, name: str, books: Books) -> list[str]:
    """The good row beside a bad one is booked; what was odd and right is booked as it was meant."""
    held = books.query(
        """SELECT external_id, team_id, cost, charge_date::text AS charge_date
           FROM usage_records JOIN usage_sources USING (source_id) WHERE name = :name""",
        name=name,
    )
    if bad.booked is None:
        good = [row.external_id for row in held if row.external_id == "good"]
        return [] if good or bad.number == 159 else [f"booked {held}"]
    odd: list[Any] = [row for row in held if row.external_id != "good"]
    wanted = [{**bad.booked}] if bad.booked else []
    got = [{fact: getattr(row, fact) for fact in bad.booked} for row in odd]
    return [] if got == wanted else [f"booked {got}"]


def test_a_bad_file_is_refused_in_sentences_and_a_good_row_beside_a_bad_one_is_booked(
    ledger: Ledger, tmp_path: Path, record_property: Record
) -> None:
    books, found = Books(ledger), {}
    for place, bad in enumerate(FILES):
        wrong = faults(bad, f"case-{place}", books, tmp_path)
        if wrong:
            found[bad.number, bad.what] = wrong
    assert found == {}
    assert_sound()
    record_property("proof", ("bad files", len(FILES)))


def test_the_same_file_twice_is_all_known(ledger: Ledger, tmp_path: Path) -> None:
    good = next(bad for bad in FILES if bad.number == 144)
    assert deliver(good, "first", tmp_path).new == 1
    before = now()
    counts = sync("first", AS_OF)
    assert (counts.new, counts.unchanged) == (0, 1)
    assert now() == before


def test_the_catalogue_names_each_case_once() -> None:
    assert len({(bad.number, bad.what) for bad in FILES}) == len(FILES) >= 40
