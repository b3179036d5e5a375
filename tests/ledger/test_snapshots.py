"""Snapshots: a scope delivered again replaces what was held of it, whole or not at all."""

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chargeback.ledger import usage_sources, waiting_snapshots
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.known_rows import known_rows
from chargeback.ledger.reconcile import reconcile
from chargeback.periods import Period
from chargeback.sources import open_source
from chargeback.sources.contract import Known, Window
from chargeback.sources.focus import Focus
from tests.ledger.books import Books
from tests.ledger.cloud import Cloud, row


@pytest.fixture
def cloud(books: Books, tmp_path: Path) -> Cloud:
    return Cloud(books, tmp_path)


# Each costs a dollar and has a resource of its own: 1,000 dollars in one scope.
OTHERS = [row("1.00", f"other-{number}") for number in range(40)]
THOUSAND = [row("1.00", f"r-{number:04}") for number in range(1000)]


def test_a_snapshot_delivered_again_changes_nothing(cloud: Cloud) -> None:
    first = cloud.deliver(THOUSAND)
    assert (first.received, first.new, first.new_cost) == (1000, 1000, Decimal(1000))
    cloud.books.allocate()
    before = cloud.digest()
    again = cloud.deliver(THOUSAND)
    assert (again.received, again.new, again.unchanged, again.reversed) == (1000, 0, 1000, 0)
    assert cloud.digest() == before
    assert cloud.books.allocate().days == 0


def test_a_snapshot_delivered_in_another_order_changes_nothing(cloud: Cloud) -> None:
    cloud.deliver(THOUSAND)
    before = cloud.digest()
    shuffled = random.Random(7).sample(THOUSAND, 1000)
    assert cloud.deliver(shuffled).unchanged == 1000
    assert cloud.digest() == before


def test_a_snapshot_cut_to_900_of_1000_rows_waits_and_books_nothing(cloud: Cloud) -> None:
    cloud.deliver(THOUSAND)
    before = cloud.usage_digest()
    cut = cloud.deliver(THOUSAND[:900])
    assert (cut.received, cut.new, cut.reversed, cut.waiting) == (900, 0, 0, 900)
    assert cloud.usage_digest() == before
    (waiting,) = cloud.waiting()
    assert waiting.reasons == [
        "it has 900 rows where 1,000 are held",
        "it costs 900 where 1,000 is held",
    ]


def test_a_snapshot_that_lost_less_than_a_tenth_is_booked(cloud: Cloud) -> None:
    cloud.deliver(THOUSAND)
    less = cloud.deliver(THOUSAND[:901])
    assert (less.unchanged, less.reversed, less.waiting) == (901, 99, 0)
    assert sum(cost for _, cost in cloud.held().values()) == Decimal(901)


def test_a_snapshot_with_all_its_rows_and_a_tenth_less_cost_waits(cloud: Cloud) -> None:
    cloud.deliver(THOUSAND)
    # 10 rows that each take 10 dollars back: 1,010 rows for 900.
    cloud.deliver([*THOUSAND, *(row("-10.00", "credit") for _ in range(10))])
    (waiting,) = cloud.waiting()
    assert waiting.reasons == ["it costs 900 where 1,000 is held"]


def test_a_snapshot_with_one_bad_row_waits_whole(cloud: Cloud) -> None:
    cloud.deliver(THOUSAND)
    before = cloud.usage_digest()
    bad = cloud.deliver([*THOUSAND[:999], row("one dollar", "r-0999")])
    assert (bad.received, bad.new, bad.quarantined, bad.waiting) == (1000, 0, 1, 999)
    assert cloud.usage_digest() == before
    (waiting,) = cloud.waiting()
    assert waiting.reasons == ["1 row of it was refused"]
    (refused,) = cloud.books.query("SELECT code, position, state FROM usage_quarantine")
    assert tuple(refused) == ("number_invalid", 1001, "open")


def test_a_first_snapshot_with_a_bad_row_waits_too(cloud: Cloud) -> None:
    cloud.deliver([row("1.00"), row("x", "r-2")])
    assert cloud.held() == {}
    assert len(cloud.waiting()) == 1


def test_a_good_delivery_takes_the_place_of_one_that_waits(cloud: Cloud) -> None:
    cloud.deliver([row("1.00"), row("x", "r-2")])
    cloud.deliver([row("1.00"), row("2.00", "r-2")])
    assert cloud.held() == {"r-1": (1, Decimal(1)), "r-2": (1, Decimal(2))}
    assert cloud.waiting() == []
    (refused,) = cloud.books.query("SELECT state, decision FROM usage_quarantine")
    assert tuple(refused) == (
        "replaced", "the scope was delivered again, and that delivery is booked"
    )  # fmt: skip
    assert cloud.books.query("SELECT FROM waiting_usage") == []


def test_a_delivery_that_waits_is_not_kept_twice(cloud: Cloud) -> None:
    for _ in range(2):
        counts = cloud.deliver([row("1.00"), row("x", "r-2")])
    assert (counts.unchanged, counts.quarantined, counts.waiting) == (1, 0, 1)
    assert len(cloud.waiting(None)) == 1


def test_without_a_rate_a_row_in_another_currency_lets_its_scope_wait(cloud: Cloud) -> None:
    cloud.deliver([row("1.00", account="a-1"), row("1.00", account="a-2", BillingCurrency="EUR")])
    assert [waiting.account for waiting in cloud.waiting()] == ["company/a-2"]
    ((reason, currency),) = cloud.books.query("SELECT reason, currency FROM usage_quarantine")
    assert "there is no rate of EUR for 2026-10; add it with" in reason
    assert currency == "EUR"
    cloud.books.exchange(("2026-10", "EUR", "1.1"))
    assert cloud.sync().new == 1
    assert cloud.waiting() == []


def originals(cloud: Cloud) -> list[tuple[Any, ...]]:
    """Of each record: what it is booked at, what its row said, in which currency, at which rate."""
    return [
        tuple(found)
        for found in cloud.books.query(
            """SELECT trim_scale(cost), trim_scale(original_cost), original_currency, trim_scale(exchange_rate)
               FROM usage_records ORDER BY cost, revision"""
        )
    ]


def test_a_row_in_another_currency_is_converted_at_its_months_rate(cloud: Cloud) -> None:
    """10 EUR at 1.1 are 11 USD; at 1.2, which is known before anything is billed, they are 12."""
    cloud.books.exchange(("2026-10", "EUR", "1.1"))
    cloud.configure(path=str(cloud.file), currency="EUR", team_tag="team")
    rows = [row("10", "r-1") | {"BillingCurrency": ""}, row("5", "r-2"), row("5", "r-2")]
    assert cloud.deliver(rows).new == 3
    assert originals(cloud) == [
        (5, None, None, None),
        (5, None, None, None),
        (11, 10, "EUR", Decimal("1.1")),
    ]
    before = cloud.digest()
    assert cloud.sync().new == 0
    assert cloud.digest() == before
    assert cloud.books.exchange(("2026-10", "EUR", "1.2")) == 1
    counts = cloud.sync()
    assert (counts.new, counts.reversed, counts.unchanged) == (0, 0, 3)
    assert cloud.held() == {"r-1": (1, Decimal(12)), "r-2": (2, Decimal(10))}
    with snapshot() as connection:
        found = reconcile(connection, Period.month("2026-10"))
    (source,) = (one for one in found.sources if one.source == "cloud")
    assert [source.ledger.amount, source.difference] == [22, 0]
    stands = [one for one in found.foreign if one.rows]
    assert [[one.booked, one.rate] for one in stands] == [[10, Decimal("1.2")]]


def test_what_waits_in_another_currency_is_booked_as_it_was_kept(cloud: Cloud) -> None:
    cloud.books.exchange(("2026-10", "EUR", "1.1"))
    cloud.deliver([row("10", "r-1", BillingCurrency="EUR"), row("x", "r-2", BillingCurrency="EUR")])
    (waiting,) = cloud.waiting()
    cloud.books.exchange(("2026-10", "EUR", "1.2"))
    waiting_snapshots.accept(waiting.snapshot_id, "the row that is missing costs nothing", "tester")
    assert cloud.held() == {"r-1": (1, Decimal(12))}


def test_scopes_that_a_delivery_does_not_name_stay(cloud: Cloud) -> None:
    both = [row("1.00", "r-1", "a-1"), row("2.00", "r-2", "a-2")]
    september = row("4.00", "r-3", "a-1", "2026-09-05", "2026-09")
    cloud.deliver([*both, september])
    counts = cloud.deliver([row("1.50", "r-1", "a-1")])
    assert (counts.new, counts.reversed) == (1, 1)
    assert cloud.held() == {
        "r-1": (1, Decimal("1.5")), "r-2": (1, Decimal(2)), "r-3": (1, Decimal(4))
    }  # fmt: skip


def test_only_the_scope_that_is_bad_waits(cloud: Cloud) -> None:
    counts = cloud.deliver([row("x", "r-1", "a-1"), row("2.00", "r-2", "a-2")])
    assert (counts.new, counts.quarantined) == (1, 1)
    assert [waiting.account for waiting in cloud.waiting()] == ["company/a-1"]


def test_a_row_that_does_not_say_its_scope_lets_the_whole_delivery_wait(cloud: Cloud) -> None:
    good = [row("1.00", "r-1", "a-1"), row("2.00", "r-2", "a-2")]
    cloud.deliver([*good, row("4.00") | {"BillingPeriodStart": "soon"}])
    assert cloud.held() == {}
    assert [(waiting.account, waiting.reasons) for waiting in cloud.waiting()] == [
        (None, ["1 row of it was refused"]),
        ("company/a-1", ["1 row of the delivery does not say which scope it belongs to"]),
        ("company/a-2", ["1 row of the delivery does not say which scope it belongs to"]),
    ]
    cloud.deliver(good)
    assert (cloud.waiting(), len(cloud.held())) == ([], 2)


def test_a_row_of_the_same_text_is_not_read_again_and_says_the_same(cloud: Cloud) -> None:
    cloud.deliver([*OTHERS, row("1.00", "r-1")])
    source = open_source("focus", {"path": str(cloud.file)})
    assert isinstance(source, Focus)
    with transaction() as connection:
        known = known_rows(connection, usage_sources.find(connection, "cloud").source_id)
    found = list(source.read_scopes(Window(None, None), known.fingerprints))
    assert [type(one) for one in found] == [Known] * 41
    counts = cloud.deliver([row("1.50", "r-1"), *reversed(OTHERS)])
    assert (counts.new, counts.reversed, counts.unchanged) == (1, 1, 40)
    assert cloud.held()["r-1"] == (1, Decimal("1.5"))


def test_another_configuration_reads_every_row_anew(cloud: Cloud) -> None:
    billed = [one | {"BilledCost": "2.00"} for one in OTHERS]
    cloud.deliver(billed)
    counts = cloud.configure(path=str(cloud.file), cost_metric="BilledCost").sync()
    assert (counts.new, counts.reversed, counts.unchanged) == (40, 40, 0)
    assert cloud.configure(path=str(cloud.file), cost_metric="BilledCost").sync().unchanged == 40


def test_rows_that_say_the_same_are_counted(cloud: Cloud) -> None:
    for times in (3, 2, 4):
        cloud.deliver([*OTHERS, *[row("1.00")] * times])
        assert cloud.held()["r-1"] == (times, Decimal(times))
    records = cloud.books.query(
        "SELECT external_id, record_count FROM usage_records WHERE agent_id = 'r-1' ORDER BY batch_id, external_id"
    )
    ordinals = [(found.external_id.partition("-")[2], found.record_count) for found in records]
    # Of three one is taken back, the newest; the two that come later are others than that one.
    assert ordinals == [("1", 1), ("2", 1), ("3", 1), ("3", -1), ("4", 1), ("5", 1)]


def test_what_does_not_decide_money_makes_no_row_another_one(cloud: Cloud) -> None:
    cloud.deliver([row("1.50")])
    again = row("1.5000") | {"ChargeDescription": "an hour", "x_ExportDateTime": "2026-11-02"}
    assert cloud.deliver([again]).unchanged == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [("EffectiveCost", "1.49"), ("ConsumedQuantity", "3"), ("ConsumedUnit", "Days"), ("ResourceId", "r-2"),
     ("ServiceName", "Storage"), ("SkuId", "s-1"), ("ChargePeriodStart", "2026-10-06T00:00:00Z"),
     ("ChargePeriodStart", "2026-09-30T00:00:00Z")],
)  # fmt: skip
def test_what_decides_money_is_taken_back_and_booked_anew(
    cloud: Cloud, column: str, value: str
) -> None:
    cloud.deliver([row("1.50")])
    counts = cloud.deliver([row("1.50") | {column: value}])
    assert (counts.new, counts.reversed, counts.unchanged) == (1, 1, 0)


def test_a_charge_outside_its_billing_period_is_booked_on_its_first_day_and_owned_by_its_own(
    cloud: Cloud,
) -> None:
    cloud.books.import_yaml(
        "owners: {account: {a-1: [{team: old, to: 2026-10-01}, {team: new, from: 2026-10-01}]}}"
    )
    cloud.deliver([row("-5.00", day="2026-09-05", ChargeClass="Correction"), row("8.00")])
    cloud.books.allocate()
    assert cloud.books.total_by_payer() == {("old", None): Decimal(-5), ("new", None): Decimal(8)}
    (booked,) = cloud.books.query(
        "SELECT usage_date::text, charge_date::text FROM usage_records WHERE cost < 0"
    )
    assert tuple(booked) == ("2026-10-01", "2026-09-05")


def test_a_cost_that_falls_after_its_month_was_billed_reaches_the_payer_as_a_late_line(
    cloud: Cloud,
) -> None:
    cloud.books.import_yaml("owners: {account: {a-1: [{team: search}]}}")
    cloud.deliver([row("60.00", "r-1"), row("40.00", "r-2")])
    (october,) = cloud.books.bill()
    cloud.deliver([row("55.00", "r-1"), row("40.00", "r-2")])
    (november,) = cloud.books.bill("2026-11", "2026-12-01")
    assert cloud.books.view(october).total == Decimal("100.00")
    assert cloud.books.view(november).total == Decimal("-5.00")


def test_what_waits_stops_the_issue_of_its_period_only(cloud: Cloud) -> None:
    from chargeback.ledger.waiting_snapshots import waiting_count

    cloud.deliver([row("x")])
    with snapshot() as connection:
        assert waiting_count(connection, Period.parse("2026-10")) == 1
        assert waiting_count(connection, Period.parse("2026-11")) == 0


def test_the_books_reconcile_through_every_delivery(cloud: Cloud) -> None:
    for rows in ([row("1.00"), row("2.00", "r-2")], [row("1.00")], [row("0.95"), row("x", "r-2")]):
        cloud.deliver(rows)
        with snapshot() as connection:
            assert reconcile(connection, Period.parse("2026-10")).difference == 0
