"""Loading usage: each fact once, every digit kept, nothing refused silently."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from chargeback.errors import NotFound
from chargeback.ledger import quarantine
from chargeback.ledger.batches import BatchCounts
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.digest import digest
from chargeback.sources.contract import Usage
from models.enums import SourceRole
from tests.conftest import Ledger
from tests.ledger.books import Books
from tests.ledger.soundness import assert_sound


def counts_of(batch: BatchCounts) -> tuple[int, int, int, int]:
    """Received, new, unchanged and quarantined; rows changed since are the rest."""
    assert batch.received == batch.new + batch.unchanged + batch.changed + batch.quarantined
    return batch.received, batch.new, batch.unchanged, batch.quarantined


def revisions(books: Books, external_id: str = "%") -> list[tuple[int, Decimal, int]]:
    """Revision, cost and sign of every record whose id is like that, oldest first."""
    found = books.query(
        f"""SELECT revision, cost, record_count FROM usage_records WHERE external_id LIKE '{external_id}'
            ORDER BY usage_id, revision"""
    )
    return [(row.revision, row.cost, row.record_count) for row in found]


def quarantined(state: str | None = None) -> list[Any]:
    with transaction() as connection:
        return quarantine.rows(connection, state)


def test_a_delivery_that_arrives_again_is_counted_and_changes_nothing(books: Books) -> None:
    rows = list(books.use("search", "ana", "1.50").use("etl", "fay", "2.00").waiting)
    first, again = books.load()[0], books.load(rows)[0]
    assert counts_of(first) == (2, 2, 0, 0)
    assert counts_of(again) == (2, 0, 2, 0)
    assert (first.new_cost, again.received_raw, again.new_cost) == (
        Decimal("3.50"),
        Decimal("3.50"),
        Decimal(0),
    )
    assert books.query("SELECT count(*) AS n FROM usage_cells")[0].n == 2


def test_an_unchanged_delivery_leaves_no_day_to_allocate(books: Books) -> None:
    rows = list(books.use("search", "ana", "1.50").waiting)
    books.allocate()
    books.load(rows)
    assert books.allocate().days == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("cost", Decimal("6.25")), ("quantity", Decimal(2)), ("team_id", "etl"), ("user_id", None),
     ("agent_id", "crawler"), ("account_id", "a-1"), ("owner_tag", "k=v"), ("resource_type", "image"),
     ("sku", "m-1"), ("unit", "calls")],
)  # fmt: skip
def test_a_row_changed_in_anything_that_decides_money_is_taken_back_and_booked_anew(
    books: Books, field: str, value: Any
) -> None:
    (row,) = books.use("search", "ana", "5.00", external_id="call-1").waiting
    assert isinstance(row, Usage)
    books.load()
    (counts,) = books.load([row._replace(**{field: value})])
    assert (counts.changed, counts_of(counts)) == (1, (1, 0, 0, 0))
    cost = value if field == "cost" else Decimal(5)
    assert revisions(books) == [(1, Decimal(5), 1), (2, Decimal(-5), -1), (3, cost, 1)]


def test_a_changed_row_that_arrives_again_is_unchanged(books: Books) -> None:
    books.use("search", "ana", "5.00", external_id="call-1").load()
    (first,) = books.use("search", "ana", "6.25", external_id="call-1").load()
    (again,) = books.use("search", "ana", "6.25", external_id="call-1").load()
    # 6.25 booked, less the 5.00 taken back.
    assert (first.new_cost, counts_of(again)) == (Decimal("1.25"), (1, 0, 1, 0))
    assert len(revisions(books)) == 3


def test_a_change_beyond_the_decimals_of_the_ledger_changes_nothing(books: Books) -> None:
    books.use("search", "ana", "5.0000000000000000001", external_id="call-1").load()
    (counts,) = books.use("search", "ana", "5.0000000000000000002", external_id="call-1").load()
    assert counts_of(counts) == (1, 0, 1, 0)


def test_a_reversal_takes_the_residual_back_too(books: Books) -> None:
    books.use("search", "ana", "0.0000000000000000015", external_id="call-1").load()
    books.use("search", "ana", "1.00", external_id="call-1").load()
    (sums,) = books.query("SELECT sum(cost) AS cost, sum(residual) AS residual FROM usage_cells")
    assert (sums.cost, sums.residual) == (Decimal(1), Decimal(0))
    (manifest,) = books.query("SELECT * FROM usage_manifests ORDER BY batch_id DESC LIMIT 1")
    assert (manifest.changed_raw, manifest.reversed_raw) == (
        Decimal(1),
        Decimal("0.0000000000000000015"),
    )


def test_a_row_that_changes_back_and_forth_is_one_fact_of_many_revisions(books: Books) -> None:
    for cost in ("5.00", "6.00", "5.00"):
        books.use("search", "ana", cost, external_id="call-1").load()
    assert [cost for _, cost, _ in revisions(books)] == [5, -5, 6, -6, 5]
    assert books.query("SELECT sum(record_count) AS n FROM usage_records")[0].n == 1


def test_a_withdrawn_row_that_is_delivered_again_is_booked_anew(books: Books) -> None:
    books.use("search", "ana", "5.00", external_id="call-1").load()
    for count in (1, 0):
        assert books.withdraw("call-1").count == count
    assert books.query("SELECT sum(cost) AS cost FROM usage_cells")[0].cost == 0
    (counts,) = books.use("search", "ana", "5.00", external_id="call-1").load()
    assert counts_of(counts) == (1, 1, 0, 0)
    assert revisions(books)[-1] == (3, Decimal(5), 1)


def test_what_was_never_delivered_cannot_be_withdrawn(books: Books) -> None:
    books.use("search", "ana", "5.00", external_id="call-1").load()
    with pytest.raises(NotFound, match="'call-2'"):
        books.withdraw("call-1", "call-2")
    assert len(revisions(books)) == 1


def test_one_of_many_rows_of_a_cell_is_taken_back_alone(books: Books) -> None:
    for number in range(3):
        books.use("search", "ana", "5.00", external_id=f"call-{number}")
    books.load()
    books.use("search", "ana", "7.00", external_id="call-1").load()
    cells = books.query(
        """SELECT cost, record_count, reverses_cell_id, replaces_cell_id,
                  (SELECT min(cell_id) FROM usage_cells) AS first FROM usage_cells
           ORDER BY replaces_cell_id NULLS FIRST, cost DESC"""
    )
    first = cells[0].first
    assert [(c.cost, c.record_count, c.reverses_cell_id, c.replaces_cell_id) for c in cells] == [
        (15, 3, None, None), (-5, -1, first, None), (7, 1, None, first)
    ]  # fmt: skip


def test_a_row_said_twice_and_differently_in_one_delivery_does_not_change_for_ever(
    another_ledger: Callable[[], Ledger],
) -> None:
    for size, chunk in ((1, 1), (50_000, 1), (50_000, 50_000)):
        books = Books(another_ledger(), batch_records=size, chunk_records=chunk)
        for _ in range(3):
            books.use("search", "ana", "5.00", external_id="call-1")
            books.use("search", "ana", "6.00", external_id="call-1").load()
        assert revisions(books) == [(1, Decimal(5), 1)]
        assert [row.raw_cost for row in quarantined()] == [Decimal(6)]
        assert_sound()


def test_a_row_moved_into_the_next_month_is_the_same_row_changed(books: Books) -> None:
    books.use("search", "ana", "5.00", "2026-10-31", external_id="call-1").load()
    (counts,) = books.use("search", "ana", "5.00", "2026-11-01", external_id="call-1").load()
    assert (counts.changed, counts_of(counts)) == (1, (1, 0, 0, 0))
    cells = books.query(
        "SELECT usage_date, sum(cost) AS cost FROM usage_cells GROUP BY 1 ORDER BY 1"
    )
    assert [(str(day), cost) for day, cost in cells] == [("2026-10-31", 0), ("2026-11-01", 5)]


def test_a_quarantined_row_delivered_right_is_booked_and_replaces_it(books: Books) -> None:
    books.refuse("7.00", external_id="call-1").load()
    (counts,) = books.use("search", "ana", "5.00", external_id="call-1").load()
    assert counts_of(counts) == (1, 1, 0, 0)
    (refused,) = quarantined()
    assert (refused.state, refused.decided_by) == ("replaced", "chargeback")
    assert refused.decision == f"delivered again in good form, in batch {counts.batch_id}"


def test_good_rows_go_in_beside_refused_ones(books: Books) -> None:
    books.refuse("7.00").use("search", "ana", "5.00").refuse(None, None)
    (counts,) = books.load()
    assert counts_of(counts) == (3, 1, 0, 2)
    assert (counts.received_raw, counts.new_cost) == (Decimal("12.00"), Decimal("5.00"))
    assert [(row.usage_date and str(row.usage_date), row.raw_cost) for row in quarantined()] == [
        ("2026-10-05", Decimal("7.00")), (None, None)
    ]  # fmt: skip


def test_the_same_row_twice_in_a_delivery_is_booked_once(books: Books) -> None:
    books.use("search", "ana", "5.00", external_id="call-1").use(
        "search", "ana", "5.00", external_id="call-1"
    )
    assert counts_of(books.load()[0]) == (2, 1, 1, 0)


def test_of_two_rows_with_one_id_in_a_delivery_the_first_is_kept(books: Books) -> None:
    books.use("search", "ana", "5.00", external_id="call-1").use(
        "search", "ana", "6.00", external_id="call-1"
    )
    assert counts_of(books.load()[0]) == (2, 1, 0, 1)
    assert quarantined()[0].raw_cost == Decimal("6.00")


def test_of_two_rows_with_one_id_in_a_delivery_the_one_held_already_is_unchanged(
    books: Books,
) -> None:
    books.use("search", "ana", "6.00", external_id="call-1").load()
    books.use("search", "ana", "5.00", external_id="call-1")
    books.use("search", "ana", "6.00", external_id="call-1")
    assert counts_of(books.load()[0]) == (2, 0, 1, 1)
    assert [row.raw_cost for row in quarantined()] == [Decimal("5.00")]


def test_a_cost_with_more_decimals_than_the_ledger_keeps_is_rounded_half_even_with_its_residual(
    books: Books,
) -> None:
    # 0.1 + 0.2 as floats, printed in full.
    printed = "0.3000000000000000444089209850062616169452667236328125"
    books.use("search", "ana", printed).use("search", "ana", "0.0000000000000000005").load()
    (cell,) = books.query("SELECT cost, residual FROM usage_cells")
    assert cell.cost == Decimal("0.300000000000000044")
    # 0.4089209850062616169452667236328125 and 0.5 of the last decimal.
    assert cell.residual == Decimal("0.0000000000000000009089209850062616169452667236328125")
    (manifest,) = books.query("SELECT new_raw FROM usage_manifests")
    assert manifest.new_raw == Decimal("0.3000000000000000449089209850062616169452667236328125")


def test_a_cost_too_large_for_the_ledger_is_quarantined(books: Books) -> None:
    books.use("search", "ana", "1" + "0" * 20).use("search", "ana", "1.00")
    assert counts_of(books.load()[0]) == (2, 1, 0, 1)
    assert "out of range" in quarantined()[0].reason


@pytest.mark.parametrize(
    "name", ["a\tb", "a\\b", "\\N", "a\nb\rc", "Fay Çelik 🦆", "a'b\"c{d}", "=1+1"]
)
def test_names_with_any_signs_are_kept_as_they_are(books: Books, name: str) -> None:
    books.use(
        name,
        name,
        agent=name,
        account=name,
        tag=name,
        resource_type=name,
        sku=name,
        unit=name,
        external_id=name,
    )
    books.rule(
        {
            "rule_id": name,
            "rule_type": "by_user",
            "user_ids": [name],
            "match": {"agent_ids": [name]},
        }
    )
    books.allocate()
    assert books.total_by_payer() == {(None, name): Decimal(1)}
    assert books.query("SELECT external_id, sku FROM usage_records")[0] == (name, name)


def make_month(books: Books) -> Books:
    """60 rows of 3 teams over 20 days, some delivered twice, some refused, one changed."""
    for n in range(60):
        books.use(
            f"team-{n % 3}",
            f"u-{n % 7}",
            f"0.{n:019}",
            f"2026-10-{n % 20 + 1:02}",
            external_id=f"call-{n}",
        )
        if n % 9 == 0:
            books.use(
                f"team-{n % 3}",
                f"u-{n % 7}",
                f"0.{n:019}",
                f"2026-10-{n % 20 + 1:02}",
                external_id=f"call-{n}",
            )
    books.use("team-1", "u-1", "9.00", "2026-10-03", external_id="call-4").refuse(
        "1.00", "2026-10-09"
    )
    return books


def test_the_size_of_a_batch_decides_nothing(
    another_ledger: Callable[[], Ledger],
) -> None:
    digests = set()
    for size, chunk in ((1, 1), (7, 7), (7, 2), (50_000, 3), (50_000, 50_000)):
        books = Books(another_ledger(), batch_records=size, chunk_records=chunk)
        make_month(books).run()
        with snapshot() as connection:
            digests.add(digest(connection))
        assert_sound()
    assert len(digests) == 1


def test_the_chunks_of_a_batch_add_up_to_one_cell_of_each_kind(books: Books) -> None:
    books.chunk_records = 2
    for cost in ("1.00", "2.00", "4.00", "8.00", "16.00"):
        books.use("search", "ana", cost)
    (batch,) = books.use("ads", "bo", "32.00").load()
    assert (batch.received, batch.new, batch.new_cost) == (6, 6, Decimal(63))
    assert books.query("SELECT team_id, cost, record_count FROM usage_cells ORDER BY cost") == [
        ("search", 31, 5), ("ads", 32, 1)
    ]  # fmt: skip
    manifest = books.query("SELECT received_count, received_raw, cost FROM usage_manifests")
    assert manifest == [(6, 63, 63)]
    assert_sound()


def test_a_row_changed_in_a_later_chunk_of_a_batch_is_taken_back_once(books: Books) -> None:
    for number in range(4):
        books.use("search", "ana", "5.00", external_id=f"call-{number}")
    books.load()
    books.chunk_records = 1
    books.use("search", "ana", "5.00", external_id="call-0")
    books.use("search", "ana", "6.00", external_id="call-1")
    books.use("search", "ana", "7.00", external_id="call-2")
    (batch,) = books.use("search", "ana", "8.00", external_id="call-2").load()
    assert (batch.received, batch.unchanged, batch.changed, batch.quarantined) == (4, 1, 2, 1)
    assert [cost for _, cost, _ in revisions(books, "call-2")] == [5, -5, 7]
    assert_sound()


def test_a_batch_ends_before_a_month_whose_partition_may_not_be_there(books: Books) -> None:
    books.chunk_records = 1
    for day in ("2026-09-29", "2026-09-30", "2026-10-01", "2026-09-30", "2026-11-01"):
        books.use("search", "ana", "1.00", day)
    assert [batch.received for batch in books.load()] == [2, 1, 1, 1]
    assert_sound()


def test_the_manifest_says_per_day_what_came_in(books: Books) -> None:
    books.use("search", "ana", "1.00", "2026-10-05").use(
        "search", "ana", "2.00", "2026-10-06"
    ).refuse("4.00", "2026-10-06")
    books.load()
    manifests = books.query(
        "SELECT usage_date, received_count, received_raw, cost FROM usage_manifests ORDER BY usage_date"
    )
    assert [(str(day), count, raw, cost) for day, count, raw, cost in manifests] == [
        ("2026-10-05", 1, Decimal(1), Decimal(1)), ("2026-10-06", 2, Decimal(6), Decimal(2))
    ]  # fmt: skip


@pytest.mark.parametrize("role", [SourceRole.RECONCILE_ONLY, SourceRole.WEIGHTS])
def test_a_source_that_is_not_for_allocation_is_never_allocated(
    books: Books, role: SourceRole
) -> None:
    other = Books(books.ledger, source="cloud-bill", role=role)
    other.use("search", "ana", "5.00").load()
    assert books.allocate().pools == 0
    assert books.total_by_payer() == {}
    assert books.query("SELECT sum(cost) AS cost FROM usage_cells")[0].cost == Decimal(5)


def test_two_sources_may_use_the_same_id(books: Books) -> None:
    other = Books(books.ledger, source="second")
    books.use("search", "ana", "1.00", external_id="call-1").load()
    assert counts_of(other.use("search", "ana", "2.00", external_id="call-1").load()[0]) == (
        1,
        1,
        0,
        0,
    )


def test_the_example_read_twice_is_booked_once(books: Books) -> None:
    first, again = books.sync_example(), books.sync_example()
    assert (first.received, first.new, first.quarantined) == (438, 438, 0)
    assert (first.received_raw, first.new_cost) == (
        Decimal("0.754318700000000002909"),
        Decimal("0.754318700000000005"),
    )
    assert (again.received, again.new, again.unchanged) == (438, 0, 438)
