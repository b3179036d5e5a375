"""The journal of documents, with postings worked by hand."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from chargeback.errors import Invalid
from chargeback.journal import Accounts, journal, refuse_unbalanced, without_cost_center
from chargeback.periods import Period
from chargeback.views import PostedDocument, PostedLine
from models.enums import DocumentKind, InvoiceStatus

ACCOUNTS = Accounts("6500", "4900", "2300", "CC-1", "Acme")


def line(amount: str, team_id: str | None = None) -> PostedLine:
    return PostedLine(
        1, "Query usage", "query", "Tokens", team_id, None, Decimal(7), Decimal(amount), Decimal(amount)
    )  # fmt: skip


def document(*lines: PostedLine, tax: str = "0") -> PostedDocument:
    subtotal = sum((one.amount for one in lines), Decimal(0))
    return PostedDocument(
        kind=DocumentKind.INVOICE,
        number="INV-20261101-0001",
        status=InvoiceStatus.SENT,
        payer_id="team-search",
        payer="Search",
        cost_center="CC-41",
        period=Period.month("2026-10"),
        issue_date=date(2026, 11, 1),
        due_date=date(2026, 12, 1),
        currency="USD",
        subtotal=subtotal,
        tax=Decimal(tax),
        total=subtotal + Decimal(tax),
        credits_number=None,
        lines=lines,
    )


def sides(*documents: PostedDocument) -> list[tuple[str, str, Decimal, Decimal]]:
    postings = journal(documents, ACCOUNTS, {"team-a": "CC-A"})
    refuse_unbalanced(postings)
    return [(p.account, p.cost_center, p.debit, p.credit) for p in postings]


def test_the_consumer_is_debited_and_the_provider_credited() -> None:
    assert sides(document(line("10.00"), line("2.50"))) == [
        ("6500", "CC-41", Decimal("12.50"), Decimal(0)),
        ("4900", "CC-1", Decimal(0), Decimal("12.50")),
    ]


def test_tax_is_debited_to_the_consumer_and_credited_to_its_own_account() -> None:
    assert sides(document(line("10.00"), tax="2.10")) == [
        ("6500", "CC-41", Decimal("10.00"), Decimal(0)),
        ("6500", "CC-41", Decimal("2.10"), Decimal(0)),
        ("4900", "CC-1", Decimal(0), Decimal("10.00")),
        ("2300", "CC-1", Decimal(0), Decimal("2.10")),
    ]


def test_a_credit_note_is_the_reversal_of_the_entry_it_takes_back() -> None:
    note = replace(
        document(line("-10.00")),
        kind=DocumentKind.CREDIT_NOTE,
        number="CN-20261102-0001",
        credits_number="INV-20261101-0001",
    )
    assert sides(note) == [
        ("6500", "CC-41", Decimal(0), Decimal("10.00")),
        ("4900", "CC-1", Decimal("10.00"), Decimal(0)),
    ]
    assert {p.reverses for p in journal([note], ACCOUNTS, {})} == {"JE-INV-20261101-0001"}


def test_a_document_for_all_debits_each_team_at_its_own_cost_centre() -> None:
    lines = (line("4.00", "team-a"), line("6.00", "team-b"))
    everybody = replace(document(*lines), payer_id=None, payer="All", cost_center=None)
    postings = journal([everybody], ACCOUNTS, {"team-a": "CC-A"})
    assert [(p.counterparty, p.cost_center, p.debit) for p in postings[:2]] == [
        ("team-a", "CC-A", Decimal("4.00")),
        ("team-b", "", Decimal("6.00")),
    ]
    assert without_cost_center(postings) == ["team-b"]


def test_nothing_to_pay_posts_nothing() -> None:
    assert sides(document()) == []


def test_an_entry_out_of_balance_is_refused() -> None:
    postings = journal([document(line("10.00"))], ACCOUNTS, {})
    with pytest.raises(Invalid, match=r"JE-INV-20261101-0001 is out of balance by 10\.00"):
        refuse_unbalanced(postings[:1])
