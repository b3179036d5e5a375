"""Loading usage: each fact once, every digit kept, nothing refused silently."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from chargeback.ledger import quarantine, usage
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.digest import digest
from chargeback.sources.contract import Usage
from models.enums import SourceRole
from tests.conftest import Ledger
from tests.ledger.books import Books
from tests.ledger.soundness import assert_sound


def counts_of(batch: usage.BatchCounts) -> tuple[int, int, int, int]:
    return batch.received, batch.new, batch.unchanged, batch.quarantined


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
def test_a_row_changed_in_anything_that_decides_money_is_quarantined(
    books: Books, field: str, value: Any
) -> None:
    (row,) = books.use("search", "ana", "5.00", external_id="call-1").waiting
    assert isinstance(row, Usage)
    books.load()
    assert counts_of(books.load([row._replace(**{field: value})])[0]) == (1, 0, 0, 1)
    assert books.query("SELECT cost FROM usage_records")[0].cost == Decimal("5.00")


def test_a_changed_row_is_quarantined_with_both_costs_named(books: Books) -> None:
    books.use("search", "ana", "5.00", external_id="call-1").load()
    books.use("search", "ana", "6.25", external_id="call-1").load()
    (refused,) = quarantined()
    assert (refused.code, refused.external_id, refused.raw_cost) == (
        "changed",
        "call-1",
        Decimal("6.25"),
    )
    assert "is held with cost 5 at 2026-10-05T12:00:00Z" in refused.reason
    assert "delivered with other content (cost 6.25)" in refused.reason


def test_a_changed_row_that_arrives_again_is_not_quarantined_twice(books: Books) -> None:
    books.use("search", "ana", "5.00", external_id="call-1").load()
    for _ in range(2):
        (counts,) = books.use("search", "ana", "6.25", external_id="call-1").load()
    assert counts_of(counts) == (1, 0, 1, 0)
    assert len(quarantined()) == 1


def test_a_row_moved_into_the_next_month_is_the_same_row_changed(books: Books) -> None:
    books.use("search", "ana", "5.00", "2026-10-31", external_id="call-1").load()
    (counts,) = books.use("search", "ana", "5.00", "2026-11-01", external_id="call-1").load()
    assert counts_of(counts) == (1, 0, 0, 1)


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
    for size in (1, 7, 50_000):
        books = Books(another_ledger(), batch_records=size)
        make_month(books).run()
        with snapshot() as connection:
            digests.add(digest(connection))
        assert_sound()
    assert len(digests) == 1


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
