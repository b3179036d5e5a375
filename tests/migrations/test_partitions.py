"""Usage lies in one partition per month (UTC), made once and reached through its table only."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
from sqlalchemy import Connection, text

from chargeback.ledger.database import transaction
from tests.conftest import Ledger
from tests.migrations import rows
from tests.migrations.rows import violates

PARTITIONS = text(
    "SELECT inhrelid::regclass::text FROM pg_inherits"
    " WHERE inhparent = 'usage_records'::regclass ORDER BY 1"
)
MAKE = text("SELECT ensure_partition(:day)")


def test_eight_at_once_make_one_partition(ledger: Ledger) -> None:
    together = Barrier(8)

    def make_october(_: int) -> None:
        with transaction() as connection:
            together.wait(timeout=30)
            connection.execute(MAKE, {"day": "2026-10-15"})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make_october, range(8)))
    with transaction() as connection:
        assert connection.execute(PARTITIONS).scalars().all() == ["usage_records_2026_10"]


def test_usage_of_a_month_without_partition_is_not_booked(connection: Connection) -> None:
    with violates(connection, 'no partition of relation "usage_records" found'):
        rows.make_record(connection, datetime(2026, 10, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("usage_at", "partition"),
    [
        ("2026-11-30T23:59:59.999999+00:00", "usage_records_2026_11"),
        ("2026-12-01T00:00:00+00:00", "usage_records_2026_12"),
        ("2026-12-31T23:59:59.999999+00:00", "usage_records_2026_12"),
        ("2027-01-01T00:59:59+01:00", "usage_records_2026_12"),
        ("2027-01-01T00:00:00+00:00", "usage_records_2027_01"),
    ],
)
def test_the_first_and_last_instant_of_a_month_lie_in_its_partition(
    connection: Connection, usage_at: str, partition: str
) -> None:
    for day in ("2026-11-30", "2026-12-01", "2027-01-15"):
        connection.execute(MAKE, {"day": day})
    rows.make_record(connection, datetime.fromisoformat(usage_at))
    where = connection.execute(text("SELECT tableoid::regclass::text FROM usage_records"))
    assert where.scalar_one() == partition


def test_the_months_are_those_of_utc_whatever_the_session_thinks(connection: Connection) -> None:
    connection.execute(text("SET LOCAL timezone = 'America/New_York'"))
    connection.execute(MAKE, {"day": "2026-10-01"})
    rows.make_record(connection, datetime(2026, 10, 1, tzinfo=UTC))
    rows.make_record(connection, datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC))
    with violates(connection, "no partition of relation"):
        rows.make_record(connection, datetime(2026, 11, 1, tzinfo=UTC))


def test_a_load_and_the_making_of_another_month_do_not_wait_for_each_other(ledger: Ledger) -> None:
    with transaction() as maker:
        maker.execute(MAKE, {"day": "2026-10-01"})
    with transaction() as loader, transaction() as maker:
        for waiting in (loader, maker):
            waiting.execute(text("SET LOCAL lock_timeout = '2s'"))
        rows.make_record(loader, datetime(2026, 10, 1, tzinfo=UTC))
        maker.execute(MAKE, {"day": "2026-11-01"})
        rows.make_record(loader, datetime(2026, 10, 2, tzinfo=UTC))


@pytest.mark.parametrize("role", ["chargeback_app", "chargeback_viewer"])
def test_a_partition_is_not_reached_by_its_own_name(connection: Connection, role: str) -> None:
    connection.execute(MAKE, {"day": "2026-10-01"})
    connection.execute(text(f"SET LOCAL ROLE {role}"))
    for verb in ("SELECT * FROM", "DELETE FROM", "TRUNCATE", "INSERT INTO"):
        values = " DEFAULT VALUES" if verb == "INSERT INTO" else ""
        with violates(connection, "permission denied for table usage_records_2026_10"):
            connection.execute(text(f"{verb} usage_records_2026_10{values}"))


def test_the_guards_of_the_table_hold_in_its_partitions(connection: Connection) -> None:
    connection.execute(MAKE, {"day": "2026-10-01"})
    at = datetime(2026, 10, 1, tzinfo=UTC)
    rows.make_record(connection, at, external_id="call")
    with violates(connection, "usage_records_2026_10_pkey"):
        rows.make_record(connection, at, external_id="call")
    rows.make_record(connection, at, external_id="call", revision=2)
    for count in (0, 2):
        with violates(connection, "usage_records_record_count_check"):
            rows.make_record(connection, at, record_count=count)
