"""A person decides about a delivery that waits: booked as it came, or never; and the books say who and why."""

from decimal import Decimal
from pathlib import Path

import pytest

from chargeback.errors import Invalid, NotFound, Refused
from chargeback.ledger import waiting_snapshots
from chargeback.ledger.database import snapshot
from chargeback.ledger.verify import verify
from models.enums import SnapshotState
from tests.conftest import Ledger
from tests.ledger.books import Books
from tests.ledger.cloud import Cloud, row

# Ten dollars in ten rows, of which half is delivered again: 5 rows for 5 dollars.
TEN = [row("1.00", f"r-{number}") for number in range(10)]
HALF = TEN[:5]
BAD = row("a dollar", "r-9")


@pytest.fixture
def cloud(books: Books, tmp_path: Path) -> Cloud:
    return Cloud(books, tmp_path)


def test_an_accepted_delivery_is_booked_as_it_came(cloud: Cloud) -> None:
    cloud.deliver(TEN)
    cloud.deliver(HALF)
    (waiting,) = cloud.waiting()
    cloud.file.unlink()
    counts = waiting_snapshots.accept(waiting.snapshot_id, "half was sold", "ann").counts
    assert (counts.received, counts.new, counts.unchanged, counts.reversed) == (5, 0, 5, 5)
    assert sorted(cloud.held()) == ["r-0", "r-1", "r-2", "r-3", "r-4"]
    assert cloud.books.query("SELECT FROM waiting_usage") == []


def test_a_rejected_delivery_changes_nothing_and_is_not_asked_about_again(cloud: Cloud) -> None:
    cloud.deliver(TEN)
    before = cloud.usage_digest()
    cloud.deliver(HALF)
    waiting_snapshots.reject(cloud.waiting()[0].snapshot_id, "cut off", "ann")
    again = cloud.deliver(HALF)
    assert (again.unchanged, again.waiting, cloud.waiting()) == (5, 0, [])
    assert cloud.usage_digest() == before


def test_an_accepted_delivery_that_comes_again_with_its_bad_row_changes_nothing(
    cloud: Cloud,
) -> None:
    cloud.deliver([*TEN[:9], BAD])
    waiting_snapshots.accept(cloud.waiting()[0].snapshot_id, "a test row", "ann")
    again = cloud.deliver([*TEN[:9], BAD])
    assert (again.received, again.unchanged, again.waiting) == (10, 10, 0)
    assert (len(cloud.held()), cloud.waiting()) == (9, [])


def test_an_accepted_delivery_is_asked_about_again_once_another_was_booked(cloud: Cloud) -> None:
    cloud.deliver(TEN)
    cloud.deliver(HALF)
    waiting_snapshots.accept(cloud.waiting()[0].snapshot_id, "half was sold", "ann")
    cloud.deliver(TEN)
    cloud.deliver(HALF)
    assert (len(cloud.held()), len(cloud.waiting())) == (10, 1)


@pytest.mark.parametrize("decide", [waiting_snapshots.accept, waiting_snapshots.reject])
def test_the_refused_rows_are_decided_with_the_whole(cloud: Cloud, decide: object) -> None:
    assert callable(decide)
    cloud.deliver([*TEN[:9], BAD])
    decide(cloud.waiting()[0].snapshot_id, "a test row", "ann")
    (refused,) = cloud.books.query("SELECT state, decided_by, decision FROM usage_quarantine")
    assert tuple(refused) == ("waived", "ann", "a test row")


def test_the_audit_log_says_who_decided_and_why(cloud: Cloud) -> None:
    cloud.deliver(TEN)
    cloud.deliver(HALF)
    waiting_snapshots.accept(cloud.waiting()[0].snapshot_id, "half was sold", "ann")
    (entry,) = cloud.books.query(
        "SELECT actor, action, after, reason FROM audit_log WHERE subject_kind = 'snapshot'"
    )
    assert (entry.actor, entry.action, entry.reason) == (
        "ann",
        "snapshot.accepted",
        "half was sold",
    )
    assert entry.after == {
        "source": "cloud", "period": "2026-10-01", "account": "company/a-1", "state": "accepted"
    }  # fmt: skip


def test_a_decision_is_made_once(cloud: Cloud) -> None:
    cloud.deliver([BAD])
    number = cloud.waiting()[0].snapshot_id
    waiting_snapshots.reject(number, "cut off", "ann")
    with pytest.raises(Refused, match=r"is rejected already \(cut off\)"):
        waiting_snapshots.accept(number, "no, it is right", "bob")
    with pytest.raises(NotFound, match="there is no snapshot 77"):
        waiting_snapshots.accept(77, "why not", "bob")


def test_a_decision_needs_a_reason(cloud: Cloud) -> None:
    cloud.deliver([BAD])
    with pytest.raises(Invalid, match="say why"):
        waiting_snapshots.reject(cloud.waiting()[0].snapshot_id, " ", "ann")
    assert cloud.waiting()[0].state == SnapshotState.WAITING


def test_a_person_sees_what_would_change(cloud: Cloud) -> None:
    gone = row("3.00", "r-10", ServiceName="Storage", SkuId="s-1")
    cloud.deliver([*TEN, gone])
    cloud.deliver([*TEN[:9], BAD])
    with snapshot() as connection:
        looked = waiting_snapshots.look(connection, cloud.waiting()[0].snapshot_id, 20)
    assert [tuple(change) for change in looked.changes] == [
        ("Storage", "s-1", 1, Decimal(3), 0, Decimal(0)),
        ("Compute", "", 10, Decimal(10), 9, Decimal(9)),
    ]
    assert [(refused.position, refused.code) for refused in looked.refused] == [
        (11, "number_invalid")
    ]


DAMAGES = [
    (1, "which is of another source", "UPDATE usage_scopes SET source_id = 1"),
    (1, "which does not exist", "UPDATE usage_records SET scope_id = 99 WHERE agent_id = 'r-1'"),
    (1, "and not of 2026-10-05", "UPDATE usage_scopes SET period_end = '2026-10-05'"),
    (2, "with 5 rows for 5, but 4 rows for 4 are kept",
     "DELETE FROM waiting_usage WHERE agent_id = 'r-1'"),
    (14, "is open, but its snapshot is rejected",
     "UPDATE usage_snapshots SET state = 'rejected', decided_at = now(), decided_by = 'x', decision = 'x'"),
]  # fmt: skip


@pytest.mark.parametrize(("invariant", "told", "statement"), DAMAGES)
def test_verify_names_what_is_broken_about_snapshots(
    ledger: Ledger, tmp_path: Path, invariant: int, told: str, statement: str
) -> None:
    cloud = Cloud(Books(ledger), tmp_path)
    cloud.deliver(TEN)
    cloud.deliver([*HALF, BAD])
    cloud.books.damage(statement)
    with snapshot() as connection:
        broken = verify(connection)
    assert any(one.invariant == invariant and told in one.sentence for one in broken), broken
