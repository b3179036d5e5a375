"""What if: draft rules over held periods, worked by hand, exact, and nothing of it stays."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from chargeback import money
from chargeback.errors import Invalid, Unavailable
from chargeback.ledger import digest, previews
from chargeback.ledger.allocation import allocate_days
from chargeback.ledger.database import rehearsal, snapshot, transaction
from chargeback.ledger.what_if import WhatIf, what_if
from chargeback.payers_file import PayersFile, read
from chargeback.periods import Period
from tests.conftest import Ledger
from tests.ledger.books import ACTOR, Books

D = Decimal
TO_TEAMS = "allocation_metadata: {entity_type: team}"
GPU = f"""rules:
  - {{rule_id: gpu, rule_type: fixed_split, match: {{resource_types: [gpu]}}, split_percentages: {{red: 60, tan: 40}},
     {TO_TEAMS}}}"""
HALVES = GPU.replace("60", "50").replace("40", "50")
IN_FORCE = PayersFile()


@pytest.fixture
def books(ledger: Ledger) -> Books:
    return Books(ledger)


def tried(draft: str | PayersFile, period: str = "2026-10") -> WhatIf:
    file = read(draft, "draft.yaml") if isinstance(draft, str) else draft
    return what_if(Period.parse(period), file, ACTOR)


def differences(found: WhatIf) -> dict[tuple[str | None, str | None], Decimal]:
    return {(one.team_id, one.user_id): one.difference for one in found.payers if one.difference}


def state(books: Books) -> Sequence[Any]:
    """All that anybody could notice afterwards: the digest, counters, audit head, days, rows of all kinds."""
    with snapshot() as connection:
        whole = digest.whole(digest.parts(connection))
    kinds = ("allocation_rules", "cost_pools", "pool_cells", "allocations", "usage_cells", "usage_batches",
             "reallocations", "teams", "users", "line_allocations", "audit_log")  # fmt: skip
    counts = [books.query(f"SELECT count(*) FROM {kind}")[0][0] for kind in kinds]
    rest = [
        books.query("SELECT * FROM number_counters ORDER BY series"),
        books.query("SELECT * FROM audit_head"),
        books.query("SELECT * FROM allocation_days ORDER BY usage_date"),
        books.query("SELECT number, status, is_stale, revision FROM invoices ORDER BY number"),
    ]
    return [whole, counts, rest]


def test_billed_and_open_cost_are_both_compared_and_the_differences_are_0_together(
    books: Books,
) -> None:
    books.import_yaml(GPU)
    books.use("x", "ana", "10", resource_type="gpu").use("red", "ana", "7")
    books.bill()
    books.use("x", "ana", "5", "2026-10-09", resource_type="gpu").allocate()

    found = tried(HALVES)
    # Of 15, ten of them billed: red 9 and tan 6, then 7.5 each.
    assert differences(found) == {("red", None): D("-1.5"), ("tan", None): D("1.5")}
    assert {(one.team_id, one.user_id): (one.now, one.then) for one in found.payers} == {
        ("red", None): (D(9), D("7.5")), ("red", "ana"): (D(7), D(7)), ("tan", None): (D(6), D("7.5")),
    }  # fmt: skip
    assert (found.moved, found.taken[0].rule_id, found.taken[0].cost) == (D("1.5"), "gpu", D(15))
    assert [(one.team_id, one.difference) for one in found.by_team] == [
        ("red", D("-1.5")),
        ("tan", D("1.5")),
    ]


def test_nothing_of_it_stays_and_the_next_document_has_the_number_it_would_have_had(
    books: Books,
) -> None:
    books.import_yaml(GPU)
    books.use("x", "ana", "10", resource_type="gpu")
    books.bill()
    books.use("x", "ana", "5", "2026-10-09", resource_type="gpu").load()
    books.use("red", "ana", "1", "2026-11-02").draft("red", period="2026-11")
    before = state(books)
    assert differences(tried(HALVES + "\nteams: [{id: new, members: [{user: eve, home: true}]}]"))
    assert state(books) == before
    drafted = [one.number for one in books.run("2026-11", on="2026-11-30")]
    assert drafted == ["INV-20261101-0003", "INV-20261130-0004"]
    books.import_yaml(HALVES)
    versions = books.query(
        "SELECT version FROM allocation_rules WHERE rule_id = 'gpu' ORDER BY version"
    )
    assert [row.version for row in versions] == [1, 2]


def test_the_rules_in_force_give_what_was_billed(books: Books) -> None:
    tell(books)
    found = tried(IN_FORCE)
    assert differences(found) == {}
    assert {(one.team_id, one.user_id): one.now for one in found.payers} == books.total_by_payer()
    assert money.exact_sum(one.then for one in found.payers) == D("34.1")


def test_allocated_from_nothing_the_rules_in_force_give_what_was_billed_too(books: Books) -> None:
    """Not only is nothing found to move: with all pools gone, the same code makes the same shares again."""
    tell(books)
    with rehearsal() as connection:
        days = [
            row.usage_date
            for row in connection.execute(text("SELECT usage_date FROM allocation_days"))
        ]
        billed = previews.borne(connection, days)
        for table in ("pool_cells", "pool_allocations"):
            connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(text("UPDATE cost_pools SET retired_at = now()"))
        allocate_days(connection, sorted(days))
        assert previews.borne(connection, days) == billed


def tell(books: Books) -> None:
    """Direct, shared, weighed and passed on, in three teams and none: billed."""
    books.import_yaml(f"""{GPU}
  - {{rule_id: onward, rule_type: equal_split, stage: 2, team_id: tan, entity_ids: [red, sky], {TO_TEAMS}}}
  - {{rule_id: by_cost, rule_type: proportional, match: {{resource_types: [db]}}, driver: direct_cost,
     entity_ids: [red, sky, tan], {TO_TEAMS}}}
  - {{rule_id: members, rule_type: by_team, team_id: sky}}""")
    books.use("x", "ana", "10.1", resource_type="gpu").use("red", "ana", "7").use("sky", "bob", "3")
    books.use("sky", "eve", "4", "2026-10-06").use(
        "x", "ana", "9", "2026-10-06", resource_type="db"
    )
    books.use(None, None, "1", "2026-10-07")
    books.bill()


def test_a_rule_of_a_later_stage_and_one_that_passes_on_otherwise_is_compared_too(
    books: Books,
) -> None:
    books.import_yaml(GPU)
    books.use("x", "ana", "10", resource_type="gpu")
    books.bill()
    draft = f"""rules: [{{rule_id: onward, rule_type: equal_split, stage: 2, team_id: tan, entity_ids: [red, sky],
                         {TO_TEAMS}}}]"""
    # Tan's 4 go on: 2 to red, 2 to sky.
    assert differences(tried(draft)) == {
        ("red", None): D(2),
        ("sky", None): D(2),
        ("tan", None): D(-4),
    }


def test_what_cannot_be_divided_evenly_still_comes_to_0(books: Books) -> None:
    books.import_yaml(GPU)
    for day in range(1, 8):
        books.use("x", "ana", "0.000000000000000007", f"2026-10-{day:02}", resource_type="gpu")
    books.bill()
    thirds = f"""rules: [{{rule_id: gpu, rule_type: equal_split, match: {{resource_types: [gpu]}},
                 entity_ids: [red, sky, tan], {TO_TEAMS}}}]"""
    found = tried(thirds)
    # Of each day's 7 units: 4 and 3 by 60 and 40, then 3, 2 and 2.
    unit = D("1E-18")
    assert differences(found) == {
        ("red", None): -7 * unit,
        ("sky", None): 14 * unit,
        ("tan", None): -7 * unit,
    }
    assert money.exact_sum(differences(found).values()) == 0


def test_a_draft_of_another_time_changes_nothing_of_the_period(books: Books) -> None:
    books.import_yaml(GPU)
    books.use("x", "ana", "10", resource_type="gpu")
    books.bill()
    later = HALVES.replace("rule_id: gpu,", "rule_id: gpu, valid_from: 2026-11-01,").replace(
        "gpu,", "other,", 1
    )
    assert differences(tried(later)) == {}


def test_a_draft_that_cannot_work_is_refused_and_leaves_nothing(books: Books) -> None:
    books.import_yaml(GPU)
    books.use("x", "ana", "10", resource_type="gpu").bill()
    before = state(books)
    for draft, said in (
        (GPU.replace("60", "70"), "110"),
        (GPU.replace("red: 60", "nobody-known: 60").replace(TO_TEAMS, ""), "nobody-known"),
        (GPU.replace("fixed_split", "by_magic"), "by_magic"),
    ):
        with pytest.raises(Invalid, match=said):
            tried(draft)
    assert state(books) == before


def test_where_others_hold_what_it_locks_it_gives_up_in_one_sentence(books: Books) -> None:
    books.use("red", "ana", "1").bill()
    with transaction() as other:
        other.execute(text("SELECT FROM usage_sources FOR UPDATE"))
        with pytest.raises(Unavailable, match="another process"):
            tried(GPU)


def test_of_a_period_without_usage_nothing_is_said(books: Books) -> None:
    books.use("red", "ana", "1").bill()
    assert tried(GPU, "2025-01").payers == ()
