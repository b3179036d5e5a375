"""The audit log is one chain, however many append to it, and stays as it was written."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection, text

from chargeback.ledger.database import transaction
from tests.conftest import Ledger
from tests.migrations import rows
from tests.migrations.rows import owner_of, refused, violates

BROKEN = text(
    r"""
SELECT count(*) FROM (
    SELECT seq, hash, prev_hash, audit_hash(audit_log) AS worked_out,
        row_number() OVER (ORDER BY seq) AS n,
        lag(hash, 1, decode(repeat('00', 32), 'hex')) OVER (ORDER BY seq) AS before
    FROM audit_log
) chain WHERE seq <> n OR prev_hash <> before OR hash <> worked_out
"""
)
LAST = text("SELECT seq, hash FROM audit_log ORDER BY seq DESC LIMIT 1")


def test_two_hundred_entries_of_eight_at_once_are_one_chain(ledger: Ledger) -> None:
    def append(_: int) -> None:
        for _entry in range(25):
            with transaction() as connection:
                rows.append(connection, 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(8)))
    with transaction() as connection:
        assert connection.execute(LAST).one()[0] == 200
        assert connection.execute(BROKEN).scalar_one() == 0
        head = connection.execute(text("SELECT seq, hash FROM audit_head")).one()
        assert tuple(head) == tuple(connection.execute(LAST).one())


def test_entries_given_together_are_written_in_their_order(connection: Connection) -> None:
    rows.append(connection, 3)
    said = connection.execute(text("SELECT subject_id, after FROM audit_log ORDER BY seq")).all()
    assert [tuple(row) for row in said] == [("1", {"n": 1}), ("2", {"n": 2}), ("3", {"n": 3})]
    assert connection.execute(BROKEN).scalar_one() == 0


def test_an_entry_undone_with_its_transaction_leaves_no_gap(ledger: Ledger) -> None:
    with transaction() as connection:
        rows.append(connection, 1)
        undone = connection.begin_nested()
        rows.append(connection, 1)
        undone.rollback()
        rows.append(connection, 1)
        assert connection.execute(LAST).one()[0] == 2
        assert connection.execute(BROKEN).scalar_one() == 0


def test_nobody_says_where_in_the_chain_an_entry_stands(connection: Connection) -> None:
    connection.execute(
        text("""SELECT audit_append('[{"seq": 7, "at": "2001-01-01Z", "hash": "\\\\x00",
            "actor": "eve", "action": "a", "subject_kind": "k", "subject_id": "1"}]')""")
    )
    seq, is_now = connection.execute(
        text("SELECT seq, at > now() - '1h'::interval FROM audit_log")
    ).one()
    assert (seq, is_now) == (1, True)
    assert connection.execute(BROKEN).scalar_one() == 0


def test_a_changed_entry_is_found_by_its_hash(ledger: Ledger) -> None:
    with owner_of(ledger) as owner:
        rows.append(owner, 3)
        with refused(owner, "UPDATE of audit_log is refused: its rows are facts"):
            owner.execute(text("UPDATE audit_log SET actor = 'eve' WHERE seq = 2"))
        owner.execute(text("ALTER TABLE audit_log DISABLE TRIGGER append_only"))
        owner.execute(text("UPDATE audit_log SET actor = 'eve' WHERE seq = 2"))
        assert owner.execute(BROKEN).scalar_one() == 1


def test_the_app_appends_through_the_function_only(connection: Connection) -> None:
    rows.append(connection, 1)
    for statement in (
        "INSERT INTO audit_log SELECT * FROM audit_log",
        "UPDATE audit_head SET seq = 0",
        "DELETE FROM audit_log",
        "DELETE FROM audit_head",
    ):
        with violates(connection, "permission denied for table audit_"):
            connection.execute(text(statement))
