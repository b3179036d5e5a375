"""The doctor: well on a fresh installation, and every illness it knows is found with its remedy."""

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from chargeback.ledger import database
from chargeback.settings import settings
from entrypoints import doctor
from entrypoints.doctor import Finding, examine
from entrypoints.postgres import is_postgres_running, owner_url, start_postgres
from entrypoints.postgres_place import socket_folder
from tests.conftest import Ledger


def findings() -> dict[str, Finding]:
    settings.cache_clear()
    found = {finding.name: finding for finding in examine()}
    assert all(finding.ok or finding.mend for finding in found.values())
    return found


def tell(home: Path, statement: str) -> None:
    connection = psycopg2.connect(host=str(socket_folder(home)), user="postgres", dbname="ledger")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


@pytest.fixture
def installed(stack_home: Path) -> Iterator[Path]:
    start_postgres(stack_home)
    database.upgrade(owner_url(stack_home))
    yield stack_home
    assert is_postgres_running(stack_home), "the doctor leaves running what ran before"


def test_a_fresh_installation_is_well_and_says_what_is_not_running(installed: Path) -> None:
    assert not {name for name, finding in findings().items() if not finding.ok}
    assert findings()["prefect"].seen == "not running; `make up` starts it"


def test_commits_that_a_crash_would_lose_are_found(installed: Path) -> None:
    tell(installed, "ALTER DATABASE ledger SET synchronous_commit = off")
    finding = findings()["durability"]
    assert not finding.ok
    assert "synchronous_commit off, fsync on" in finding.seen
    assert "ALTER SYSTEM SET synchronous_commit = on" in finding.mend


def test_a_database_without_migrations_is_found(stack_home: Path) -> None:
    start_postgres(stack_home)
    tell(stack_home, "CREATE ROLE chargeback_app LOGIN")
    found = findings()
    assert not found["migrations"].ok
    assert not found["roles"].ok
    assert "chargeback db upgrade" in found["migrations"].mend


def test_a_connection_that_passes_every_guard_is_found(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert findings()["app role"].ok
    monkeypatch.setenv("CHARGEBACK_DATABASE_URL", ledger.owner_url)
    finding = findings()["app role"]
    assert not finding.ok
    assert "a superuser" in finding.seen


def test_a_database_that_does_not_answer_is_found_and_no_password_is_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql+psycopg2://app:hunter2@127.0.0.1:1/ledger"
    monkeypatch.setenv("CHARGEBACK_DATABASE_URL", url)
    monkeypatch.setenv("PREFECT_API_URL", "http://me:hunter2@127.0.0.1:1/api")
    found = findings()
    assert not found["postgres"].ok
    assert "CHARGEBACK_DATABASE_URL" in found["postgres"].mend
    assert "PREFECT_API_URL" in found["prefect"].mend
    assert "hunter2" not in str(found)


def test_an_installation_that_never_ran_says_so(home: Path) -> None:
    assert "no ledger in" in findings()["postgres"].seen


def test_a_package_outside_its_pins_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["fastapi<0.1", "no-such-package>=1", "pytest<1; extra == 'dev'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: wanted)
    finding = findings()["packages"]
    assert not finding.ok
    assert "needed <0.1" in finding.seen
    assert "no-such-package missing" in finding.seen


def test_a_full_disk_and_a_file_store_that_cannot_be_written_are_found(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "a file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("CHARGEBACK_FILE_STORE", str(home / "a file"))
    monkeypatch.setattr(doctor, "DISK_FREE_BYTES", 1 << 80)
    found = findings()
    assert not found["disk"].ok
    assert not found["file store"].ok
    assert "CHARGEBACK_FILE_STORE" in found["file store"].mend
