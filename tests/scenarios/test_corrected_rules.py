"""Rules that turn out wrong: what was billed stays explainable, what was not follows the new version."""

from decimal import Decimal
from typing import Any

from chargeback.ledger.database import snapshot
from chargeback.ledger.digest import digest
from models.enums import DocumentKind, InvoiceStatus
from tests.ledger.books import Books


def split(search: str, etl: str, **more: Any) -> dict[str, Any]:
    return {
        "rule_id": "helpdesk", "rule_type": "fixed_split", "match": {"agent_ids": ["helpdesk"]},
        "split_percentages": {"search": search, "etl": etl},
        "allocation_metadata": {"entity_type": "team"}, **more,
    }  # fmt: skip


def totals(books: Books, numbers: list[str]) -> dict[str | None, Decimal]:
    views = [books.view(number) for number in numbers]
    return {view.team_id: view.total for view in views}


def test_a_cancelled_invoice_is_billed_again_under_the_corrected_rule(books: Books) -> None:
    books.rule(split("50", "50")).use(agent="helpdesk", cost="100.00", quantity="8")
    wrong = books.bill()
    assert totals(books, wrong) == {"etl": Decimal(50), "search": Decimal(50)}
    notes = [books.cancel(number).credit_note for number in wrong]
    assert notes == ["CN-20261102-0001", "CN-20261102-0002"]
    right = books.rule(split("80", "20")).bill(on="2026-11-03")
    assert right == ["INV-20261103-0003", "INV-20261103-0004"]
    assert totals(books, right) == {"etl": Decimal(20), "search": Decimal(80)}
    assert books.total_by_payer() == {("etl", None): Decimal(20), ("search", None): Decimal(80)}


def test_the_pools_of_a_cancelled_invoice_are_retired_and_still_explain_it(books: Books) -> None:
    books.rule(split("50", "50")).use(agent="helpdesk", cost="100.00", quantity="8")
    wrong = books.bill()
    before = [books.view(number) for number in wrong]
    for number in wrong:
        books.cancel(number)
    assert books.rule(split("80", "20")).allocate().replaced_pools == 1
    pools = books.query(
        "SELECT generation, retired_at IS NOT NULL AS is_retired FROM cost_pools ORDER BY pool_id"
    )
    assert [tuple(pool) for pool in pools] == [(1, True), (1, False)]
    after = [books.view(number) for number in wrong]
    assert [view.status for view in after] == [InvoiceStatus.CANCELLED] * 2
    assert [(v.lines, v.annex) for v in after] == [(v.lines, v.annex) for v in before]


def test_a_credit_note_mirrors_the_invoice_it_takes_back_to_the_last_digit(books: Books) -> None:
    books.import_yaml("teams: [{id: search, tax_rate: '0.21'}]")
    books.use("search", "ana", "10.004000000000000001", quantity="3").use(
        "search", "ana", "2.00", resource_type="image"
    )
    (number,) = books.bill()
    note_number = books.cancel(number).credit_note
    assert note_number is not None
    invoice, note = books.view(number), books.view(note_number)
    # 12.00 and 21 % of it.
    assert (invoice.subtotal, invoice.tax, invoice.total) == (
        Decimal(12),
        Decimal("2.52"),
        Decimal("14.52"),
    )
    assert (note.kind, note.status, note.credits_number) == (
        DocumentKind.CREDIT_NOTE,
        InvoiceStatus.PAID,
        number,
    )
    assert (note.exact_total, note.subtotal, note.tax, note.total) == (
        Decimal("-12.004000000000000001"), Decimal(-12), Decimal("-2.52"), Decimal("-14.52")
    )  # fmt: skip
    assert [(-n.quantity, -n.exact, -n.amount) for n in note.lines] == [
        (line.quantity, line.exact, line.amount) for line in invoice.lines
    ]


def test_an_invoice_written_off_is_never_billed_again(books: Books) -> None:
    (number,) = books.use("search", "ana", "10.00").bill()
    assert books.cancel(number, is_rebillable=False).credit_note == "CN-20261102-0001"
    assert books.run(on="2026-11-03") == []
    assert books.use("search", "ana", "1.00").run(on="2026-11-03")[0].total == Decimal("1.00")


def test_a_rule_edited_after_one_team_was_invoiced_leaves_what_is_frozen(books: Books) -> None:
    books.rule(split("50", "50"))
    books.use(agent="helpdesk", cost="10.00", day="2026-10-05").use(
        agent="helpdesk", cost="10.00", day="2026-10-20"
    )
    early = books.draft("search", period="2026-10-01/2026-10-15", on="2026-10-16")
    books.send(early.number, on="2026-10-16")
    numbers = books.rule(split("80", "20")).bill()
    # The 5th stays halved because search was invoiced for it; the 20th is split 80 to 20.
    assert early.total == Decimal("5.00")
    assert totals(books, numbers) == {"etl": Decimal("7.00"), "search": Decimal("8.00")}


def test_a_rule_edited_from_the_16th_on_splits_the_month_in_two(books: Books) -> None:
    books.rule(split("50", "50"))
    books.use(agent="helpdesk", cost="10.00", day="2026-10-15").use(
        agent="helpdesk", cost="10.00", day="2026-10-16"
    )
    numbers = books.rule(split("80", "20", valid_from="2026-10-16")).bill()
    assert totals(books, numbers) == {"etl": Decimal("7.00"), "search": Decimal("13.00")}


def test_an_edit_without_dates_keeps_those_of_the_version_before(books: Books) -> None:
    books.rule(split("50", "50", valid_from="2026-10-16")).rule(split("80", "20"))
    books.use("search", "ana", "10.00", "2026-10-15", agent="helpdesk")
    books.use("search", "ana", "10.00", "2026-10-16", agent="helpdesk").allocate()
    assert books.total_by_payer() == {
        ("search", "ana"): Decimal(10), ("search", None): Decimal(8), ("etl", None): Decimal(2)
    }  # fmt: skip


def test_a_direct_rule_edited_mid_month_moves_only_the_team_not_yet_invoiced(books: Books) -> None:
    alone = {"rule_id": "alone", "rule_type": "by_user", "user_ids": ["ana"]}
    books.use("search", "ana", "3.00").use("etl", "ana", "2.00").rule(alone | {"team_id": "search"})
    books.send(books.draft("etl").number)
    books.rule(alone).allocate()
    # Both teams' cost is ana's alone now, but etl was invoiced for its own.
    assert books.total_by_payer() == {("etl", "ana"): Decimal(2), (None, "ana"): Decimal(3)}


def test_a_rule_deleted_and_made_again_goes_on_as_its_next_version(books: Books) -> None:
    books.rule(split("50", "50")).use("search", "ana", "10.00", agent="helpdesk").allocate()
    books.delete_rule("helpdesk").allocate()
    assert books.total_by_payer() == {("search", "ana"): Decimal(10)}
    books.rule(split("50", "50")).allocate()
    assert books.total_by_payer() == {("etl", None): Decimal(5), ("search", None): Decimal(5)}
    versions = books.query(
        "SELECT version, is_closing FROM allocation_rules WHERE rule_id = 'helpdesk' ORDER BY version"
    )
    assert [tuple(version) for version in versions] == [(1, False), (2, True), (3, False)]


def test_what_was_invoiced_keeps_the_version_of_a_rule_deleted_since(books: Books) -> None:
    books.rule(split("50", "50")).use("search", "ana", "10.00", agent="helpdesk").bill()
    books.delete_rule("helpdesk").allocate()
    assert books.total_by_payer() == {("etl", None): Decimal(5), ("search", None): Decimal(5)}
    books.use("search", "ana", "1.00", agent="helpdesk").allocate()
    assert books.total_by_payer()["search", "ana"] == Decimal(1)


def test_billing_again_in_one_go_or_in_many_gives_the_same_digest(books: Books) -> None:
    books.rule(split("50", "50")).use(agent="helpdesk", cost="100.00", quantity="8")
    for number in books.bill():
        books.cancel(number)
    books.rule(split("80", "20")).bill(on="2026-11-03")
    said = digest_of_ledger()
    books.allocate()
    assert books.bill(on="2026-11-04") == []
    books.load()
    assert digest_of_ledger() == said


def digest_of_ledger() -> str:
    with snapshot() as connection:
        return digest(connection)
