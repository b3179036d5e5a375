"""Whoever rewrites the audit log, one cell or one entry of it, is found out, and the entry is named by its number.

The chain has 50 entries. Every column of every entry is changed, one at a time, and every entry is cut out, doubled,
swapped with the next and rewritten with its hash; a savepoint takes each damage back.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text

from chargeback.ledger import audit
from chargeback.ledger.audit import Entry
from chargeback.ledger.database import transaction
from tests.conftest import Ledger

pytestmark = pytest.mark.proof
ENTRIES = 50
# What each column becomes; every value differs from what the entry holds.
CHANGED = {
    "seq": "seq + 1000",
    "at": "at + interval '1 microsecond'",
    "actor": "actor || ' '",
    "action": "'x' || action",
    "subject_kind": "upper(subject_kind)",
    "subject_id": "subject_id || '0'",
    "before": """coalesce(before, '{}') || '{"total": 1}'""",
    "after": "NULL",
    "reason": "coalesce(reason, '') || '.'",
    "run_id": "coalesce(run_id, '') || 'r'",
    "prev_hash": "sha256(prev_hash)",
    "hash": "sha256(hash)",
}


@pytest.fixture
def master(ledger: Ledger) -> Iterator[Connection]:
    """Whoever rules the database, with every trigger off, before a chain of 50 entries."""
    with transaction() as connection:
        for number in range(1, ENTRIES + 1):
            entry = Entry(
                "ana", "rule.changed", "rule", f"r{number}", {"n": number}, {"n": -number}
            )
            audit.append(connection, entry)
    owner = create_engine(ledger.owner_url)
    with owner.connect() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        assert audit.broken(connection) == []
        yield connection
        connection.rollback()
    owner.dispose()


def first_named(connection: Connection, damage: Callable[[], Any]) -> int:
    """The number of the entry that is named first after the damage, which is then undone."""
    undone = connection.begin_nested()
    damage()
    (first, *_) = audit.broken(connection)
    undone.rollback()
    found = re.match(r"audit entry (\d+) |the audit chain ends at entry (\d+)", first)
    assert found is not None, first
    return int(found[1] or found[2])


def test_every_column_of_every_entry_is_held(
    master: Connection, record_property: Callable[[str, object], None]
) -> None:
    columns = master.execute(text("SELECT * FROM audit_log LIMIT 1")).keys()
    assert set(columns) == set(CHANGED), "a new column is changed here too"
    wrong = []
    for column, value in CHANGED.items():
        change = text(f"UPDATE audit_log SET {column} = {value} WHERE seq = :seq")
        for seq in range(1, ENTRIES + 1):
            named = first_named(master, lambda: master.execute(change, {"seq": seq}))  # noqa: B023
            # An entry that was given another number leaves a gap: who stands behind the gap is named, or, at the
            # end, the entry itself under its new number.
            right = (
                (min(seq + 1, ENTRIES) if seq < ENTRIES else seq + 1000) if column == "seq" else seq
            )
            if named != right:
                wrong.append((column, seq, named))
    assert not wrong
    record_property("proof", ("audit entry changed, one column", len(CHANGED) * ENTRIES))


SWAP = (
    "UPDATE audit_log SET seq = 0 WHERE seq = :seq",
    "UPDATE audit_log SET seq = :seq WHERE seq = :seq + 1",
    "UPDATE audit_log SET seq = :seq + 1 WHERE seq = 0",
)
REWRITE = (
    "UPDATE audit_log SET actor = 'eve' WHERE seq = :seq",
    "UPDATE audit_log e SET hash = audit_hash(e) WHERE seq = :seq",
)
# The next entry is made to name the new hash, as somebody would who knows of prev_hash and not that it is hashed too.
RELINK = (
    *REWRITE,
    """UPDATE audit_log SET prev_hash = (SELECT hash FROM audit_log WHERE seq = :seq) WHERE seq = :seq + 1""",
)
INSERT = (
    "UPDATE audit_log SET seq = -seq - 1 WHERE seq > :seq",
    "UPDATE audit_log SET seq = -seq WHERE seq < 0",
    """INSERT INTO audit_log SELECT (jsonb_populate_record(e, jsonb_build_object('seq', e.seq + 1))).*
       FROM audit_log e WHERE seq = :seq""",
)
DAMAGES: dict[str, tuple[tuple[str, ...], int]] = {
    "cut out": (("DELETE FROM audit_log WHERE seq = :seq",), 1),
    "swapped with the next": (SWAP, 0),
    "slipped in": (INSERT, 1),
    "rewritten with its hash": (REWRITE, 1),
    "rewritten, and the next linked to it": (RELINK, 1),
    "cut off with all after it": (("DELETE FROM audit_log WHERE seq > :seq",), 0),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_an_entry_that_is_moved_or_rewritten_is_found(
    master: Connection, how: str, record_property: Callable[[str, object], None]
) -> None:
    """`later` entries on from the damaged one is where the chain breaks first."""
    statements, later = DAMAGES[how]
    wrong = []
    for seq in range(1, ENTRIES):

        def damage(seq: int = seq) -> None:
            for statement in statements:
                master.execute(text(statement), {"seq": seq})

        named = first_named(master, damage)
        if named != seq + later:
            wrong.append((seq, named))
    assert not wrong
    record_property("proof", (f"audit entry {how}", ENTRIES - 1))
