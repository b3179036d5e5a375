"""Usage that comes after its month was billed: never lost, never billed twice, on a line of its own."""

from decimal import Decimal

from models.enums import InvoiceStatus, LineKind
from tests.ledger.books import Books

SHARED = {
    "rule_id": "shared", "rule_type": "equal_split", "match": {"agent_ids": ["helpdesk"]},
    "entity_ids": ["etl", "search"], "allocation_metadata": {"entity_type": "team"},
}  # fmt: skip


def late_lines(books: Books, number: str) -> list[tuple[str, Decimal]]:
    lines = books.view(number).lines
    return [(line.description, line.exact) for line in lines if line.kind is LineKind.LATE]


def test_late_usage_after_an_empty_invoice_is_billed_with_the_next_month(books: Books) -> None:
    empty = books.draft("search")
    assert (empty.total, books.send(empty.number)[0].status) == (Decimal(0), InvoiceStatus.PAID)
    books.use("search", "ana", "1.50", "2026-10-05").use("search", "ana", "2.00", "2026-11-05")
    november = books.draft("search", period="2026-11", on="2026-12-01")
    assert november.total == Decimal("3.50")
    assert late_lines(books, november.number) == [
        ("Late usage for 2026-10: tokens", Decimal("1.50"))
    ]


def test_a_run_bills_late_usage_of_who_has_nothing_else_to_pay(books: Books) -> None:
    books.send(books.draft("search").number)
    books.use("search", "ana", "1.50", "2026-10-05")
    ((payer, total),) = [(str(d.payer), d.total) for d in books.run("2026-11", "2026-12-01")]
    assert (payer, total) == ("team search", Decimal("1.50"))


def test_a_team_first_seen_late_is_billed_by_the_next_run(books: Books) -> None:
    books.use("search", "ana", "1.00").bill()
    (number,) = books.use("etl", "fay", "2.00").bill("2026-11", "2026-12-01")
    assert late_lines(books, number) == [("Late usage for 2026-10: tokens", Decimal("2.00"))]


def test_earlier_usage_that_no_run_and_no_invoice_covers_is_not_late(books: Books) -> None:
    books.use("search", "ana", "1.00", "2026-09-05").use("search", "ana", "2.00", "2026-10-05")
    (october,) = books.bill()
    assert books.view(october).total == Decimal("2.00")
    assert books.draft("search", period="2026-09").total == Decimal("1.00")


def test_usage_years_late_is_billed_with_a_line_for_each_of_its_months(books: Books) -> None:
    books.use("search", "ana", "1.00", "2024-07-05").bill("2024-07", "2024-08-01")
    books.use("search", "ana", "2.00", "2026-09-05").bill("2026-09", "2026-10-01")
    books.use("search", "ana", "0.10", "2024-07-05").use("search", "ana", "0.20", "2026-09-05")
    (october,) = books.use("search", "ana", "4.00", "2026-10-05").bill()
    assert books.view(october).total == Decimal("4.30")
    assert late_lines(books, october) == [
        ("Late usage for 2024-07: tokens", Decimal("0.10")),
        ("Late usage for 2026-09: tokens", Decimal("0.20")),
    ]


def test_late_usage_in_a_frozen_shared_pool_forms_its_next_generation(books: Books) -> None:
    books.rule(SHARED).use(agent="helpdesk", cost="9.00")
    search = books.draft("search")
    books.send(search.number)
    assert books.use(agent="helpdesk", cost="1.00").allocate().pools == 1
    pools = books.query("SELECT generation, cost::text FROM cost_pools ORDER BY generation")
    assert [(pool.generation, Decimal(pool.cost)) for pool in pools] == [
        (1, Decimal(9)),
        (2, Decimal(1)),
    ]
    assert books.draft("etl").total == Decimal("5.00")
    assert late_lines(books, books.draft("search", period="2026-11").number) == [
        ("Late usage for 2026-10: tokens", Decimal("0.50"))
    ]


def test_later_usage_joins_the_generation_that_is_not_frozen_yet(books: Books) -> None:
    books.rule(SHARED).use(agent="helpdesk", cost="9.00")
    books.send(books.draft("search").number)
    books.use(agent="helpdesk", cost="1.00").allocate()
    books.use(agent="helpdesk", cost="2.00").allocate()
    pools = books.query("SELECT generation, cost::text FROM cost_pools ORDER BY generation")
    assert [(pool.generation, Decimal(pool.cost)) for pool in pools] == [
        (1, Decimal(9)),
        (2, Decimal(3)),
    ]


def test_usage_without_owner_is_billed_to_the_one_it_gets_after_others_were_invoiced(
    books: Books,
) -> None:
    books.use("search", "ana", "10.00").use(agent="crawler", cost="6.00").bill()
    assert books.total_by_payer() == {("search", "ana"): Decimal(10), (None, None): Decimal(6)}
    books.import_yaml("owners: {agent: {crawler: [{team: etl}]}}")
    (number,) = books.bill("2026-11", "2026-12-01")
    assert books.total_by_payer() == {("search", "ana"): Decimal(10), ("etl", None): Decimal(6)}
    assert late_lines(books, number) == [("Late usage for 2026-10: tokens", Decimal("6.00"))]


def test_an_owner_from_the_16th_on_gets_the_usage_from_the_16th_on(books: Books) -> None:
    books.use(agent="crawler", cost="1.00", day="2026-10-15").use(
        agent="crawler", cost="2.00", day="2026-10-16"
    )
    books.import_yaml("owners: {agent: {crawler: [{team: etl, from: 2026-10-16}]}}")
    books.allocate()
    assert books.total_by_payer() == {(None, None): Decimal(1), ("etl", None): Decimal(2)}


def test_a_run_for_a_month_that_was_issued_leaves_what_came_late_to_the_next_month(
    books: Books,
) -> None:
    (first,) = books.use("search", "ana", "1.00", "2026-10-05").bill("2026-10")
    books.use("search", "ana", "2.00", "2026-10-20").allocate()
    assert books.run("2026-10") == []
    assert [row.number for row in books.query("SELECT number FROM invoices")] == [first]
    assert [drafted.total for drafted in books.run("2026-11")] == [Decimal("2.00")]
