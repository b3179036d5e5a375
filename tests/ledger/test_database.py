"""How the ledger's Postgres is reached: whole transactions, plain words for failures."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from threading import Barrier

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from chargeback.errors import Invalid, Refused, Unavailable
from chargeback.ledger import database
from chargeback.ledger.database import snapshot, transaction
from chargeback.settings import settings
from tests.conftest import Ledger

ADD_DAY = text("INSERT INTO allocation_days (usage_date, is_dirty) VALUES (:day, false)")
TOUCH_DAY = text("UPDATE allocation_days SET is_dirty = NOT is_dirty WHERE usage_date = :day")
FIRST, SECOND = {"day": date(2026, 10, 1)}, {"day": date(2026, 10, 2)}


@pytest.fixture
def two_days(ledger: Ledger) -> Ledger:
    with transaction() as connection:
        connection.execute(ADD_DAY, [FIRST, SECOND])
    return ledger


@contextmanager
def administrator_of(ledger: Ledger) -> Iterator[Connection]:
    engine = create_engine(ledger.owner_url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(text(statement))


def kill(ledger: Ledger, connection: Connection) -> None:
    """End the connection's own process in the server, as a crash or an administrator would."""
    pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with administrator_of(ledger) as administrator:
        run(administrator, f"SELECT pg_terminate_backend({pid}, 5000)")


def _days() -> int:
    with transaction() as connection:
        return int(connection.execute(text("SELECT count(*) FROM allocation_days")).scalar_one())


def test_a_transaction_is_committed_when_its_block_ends(ledger: Ledger) -> None:
    with transaction() as connection:
        connection.execute(ADD_DAY, FIRST)
    assert _days() == 1


def test_a_transaction_is_undone_whole_when_its_block_raises(ledger: Ledger) -> None:
    def book_half() -> None:
        with transaction() as connection:
            connection.execute(ADD_DAY, FIRST)
            raise KeyError("a bug")

    with pytest.raises(KeyError):
        book_half()
    assert _days() == 0


def test_a_transaction_is_the_apps_and_cannot_hold_locks_for_ever(connection: Connection) -> None:
    shown = {
        name: connection.execute(text(f"SHOW {name}")).scalar_one()
        for name in (
            "role", "timezone", "transaction_isolation", "lock_timeout", "statement_timeout",
            "idle_in_transaction_session_timeout", "client_connection_check_interval",
        )
    }  # fmt: skip
    assert shown == {
        "role": "chargeback_app",
        "timezone": "UTC",
        "transaction_isolation": "read committed",
        "lock_timeout": "30s",
        "statement_timeout": "15min",
        "idle_in_transaction_session_timeout": "1min",
        "client_connection_check_interval": "1s",
    }


def test_without_an_address_the_ledger_is_unavailable_and_says_what_to_set(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHARGEBACK_DATABASE_URL")
    settings.cache_clear()
    with pytest.raises(Unavailable, match="CHARGEBACK_DATABASE_URL is not set"), transaction():
        pass


def test_a_server_that_does_not_run_is_unavailable(ledger: Ledger) -> None:
    nowhere = ledger.url.replace("host=", "host=/nowhere")
    with (
        pytest.raises(Unavailable, match="check that Postgres runs") as raised,
        transaction(nowhere),
    ):
        pass
    assert raised.value.code == "database_unavailable"


def test_a_killed_connection_is_unavailable_and_the_next_transaction_is_fine(
    ledger: Ledger,
) -> None:
    def book() -> None:
        with transaction() as connection:
            kill(ledger, connection)
            connection.execute(ADD_DAY, FIRST)

    with pytest.raises(
        Unavailable, match=r"the ledger's database did not finish the work \(.+\); "
    ):
        book()
    assert _days() == 0


def test_a_connection_killed_in_the_pool_is_not_noticed(ledger: Ledger) -> None:
    assert _days() == 0
    with administrator_of(ledger) as administrator:
        run(administrator, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip
    assert _days() == 0


def test_a_transaction_that_slept_too_long_is_unavailable(ledger: Ledger) -> None:
    def sleep() -> None:
        with transaction() as connection:
            run(connection, "SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            time.sleep(0.3)
            run(connection, "SELECT 1")

    with pytest.raises(Unavailable, match="run this again"):
        sleep()


def test_a_statement_that_takes_too_long_is_refused_since_a_retry_takes_as_long(
    ledger: Ledger,
) -> None:
    with pytest.raises(Refused, match="statement timeout"), transaction() as connection:
        run(connection, "SET LOCAL statement_timeout = '50ms'", "SELECT pg_sleep(5)")


def test_a_database_that_is_not_there_is_no_passing_failure(ledger: Ledger) -> None:
    nowhere = ledger.url.replace("/ledger_", "/nowhere_")
    with pytest.raises(Invalid, match="does not exist"), transaction(nowhere):
        pass


def test_a_lock_not_had_in_time_is_unavailable(two_days: Ledger) -> None:
    touch = "UPDATE allocation_days SET is_dirty = true"
    with transaction() as holder:
        run(holder, touch)
        with pytest.raises(Unavailable, match="another process") as raised, transaction() as waiter:
            run(waiter, "SET LOCAL lock_timeout = '50ms'", touch)
    assert raised.value.code == "raced"


def test_of_two_that_wait_for_each_other_one_is_unavailable(two_days: Ledger) -> None:
    both_hold_one = Barrier(2)

    def touch(first: dict[str, date], second: dict[str, date]) -> str:
        try:
            with transaction() as connection:
                connection.execute(TOUCH_DAY, first)
                both_hold_one.wait(timeout=10)
                connection.execute(TOUCH_DAY, second)
        except Unavailable as unavailable:
            return str(unavailable)
        return "done"

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(touch, (FIRST, SECOND), (SECOND, FIRST)))
    assert said[0].startswith("another process was changing the same part of the ledger")
    assert said[1] == "done"


def test_a_server_that_was_replaced_by_one_that_only_reads_is_unavailable(two_days: Ledger) -> None:
    def touch() -> None:
        with transaction() as connection:
            run(connection, "SET TRANSACTION READ ONLY")
            connection.execute(TOUCH_DAY, FIRST)

    with pytest.raises(Unavailable, match="did not finish the work"):
        touch()


def test_a_serialization_failure_is_unavailable(two_days: Ledger) -> None:
    def touch_what_changed() -> None:
        with transaction() as late:
            run(late, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "TABLE allocation_days")
            with transaction() as early:
                early.execute(TOUCH_DAY, FIRST)
            late.execute(TOUCH_DAY, FIRST)

    with pytest.raises(Unavailable, match="another process was changing the same part"):
        touch_what_changed()


def test_two_that_make_the_same_thing_at_once_are_told_to_run_again(two_days: Ledger) -> None:
    with pytest.raises(Unavailable, match="run this again"), transaction() as connection:
        connection.execute(ADD_DAY, FIRST)


def test_what_a_guard_refuses_is_said_in_the_guards_own_sentence(ledger: Ledger) -> None:
    with (
        pytest.raises(Refused) as raised,
        administrator_of(ledger) as administrator,
        database.translated(),
    ):
        administrator.execute(text("UPDATE allocation_rules SET priority = 1"))
    assert raised.value.code == "refused_by_ledger"
    assert str(raised.value) == (
        "UPDATE of allocation_rules is refused: its rows are facts "
        "and are never edited or deleted; book a correction instead"
    )


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELEKT 1", ProgrammingError),
        ("SELECT * FROM nowhere", ProgrammingError),
        ("SELECT 1 / 0", DBAPIError),
        ("DELETE FROM invoices", ProgrammingError),
        ("UPDATE number_counters SET last_ordinal = -1", IntegrityError),
    ],
)
def test_a_bug_passes_unchanged(ledger: Ledger, statement: str, error: type[DBAPIError]) -> None:
    with pytest.raises(error), transaction() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize("unstorable", ["a\0b", "a\ud800"])
def test_text_that_no_ledger_can_keep_is_invalid_wherever_it_comes_from(
    ledger: Ledger, unstorable: str
) -> None:
    with (
        pytest.raises(Invalid, match="holds a NUL or half a character") as refused,
        transaction() as connection,
    ):
        connection.execute(text("SELECT :name"), {"name": unstorable})
    assert refused.value.code == "text_not_storable"
    with pytest.raises(ValueError, match="another matter"), transaction():
        raise ValueError("another matter")


def test_a_snapshot_does_not_move(two_days: Ledger) -> None:
    count = text("SELECT count(*) FROM allocation_days")
    with snapshot() as reader:
        assert reader.execute(count).scalar_one() == 2
        with transaction() as writer:
            writer.execute(ADD_DAY, {"day": date(2026, 10, 3)})
        assert reader.execute(count).scalar_one() == 2
    assert _days() == 3


def test_a_snapshot_is_read_only_and_its_connection_writes_again_afterwards(
    ledger: Ledger,
) -> None:
    with pytest.raises(DBAPIError, match="read-only transaction"), snapshot() as reader:
        reader.execute(ADD_DAY, FIRST)
    with transaction() as writer:
        assert writer.execute(text("SHOW transaction_isolation")).scalar_one() == "read committed"
        writer.execute(ADD_DAY, FIRST)
