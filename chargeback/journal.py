"""The general-ledger journal of what was billed: who is debited, who is credited, always in balance.

Owns the postings of a document; pure. One document is one journal entry with an id of its own, so that
a file posted twice is recognised by it, and a credit note is the reversal of the entry it takes back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from chargeback import money
from chargeback.errors import Invalid
from chargeback.views import PostedDocument


@dataclass(frozen=True)
class Accounts:
    """Where charges are posted: the consumer's expense, the provider's recovery, the tax, and whose books."""

    expense: str
    recovery: str
    tax: str
    cost_center: str
    company: str


class Posting(NamedTuple):
    """One line of a journal entry. Units: `debit` and `credit` in `currency` as printed; one of them is 0."""

    journal_id: str
    line: int
    posting_date: date
    period: str
    company: str
    account: str
    cost_center: str
    debit: Decimal
    credit: Decimal
    currency: str
    description: str
    reference: str
    counterparty: str
    reverses: str


def journal(
    documents: Iterable[PostedDocument], accounts: Accounts, cost_centers: Mapping[str, str | None]
) -> list[Posting]:
    """The postings of issued documents, in their order; one of nothing to pay posts nothing.

    `cost_centers` has those of teams, for documents that bill several. What is below zero stands on the
    other side, so that no amount is negative.
    """
    return [
        posting for document in documents for posting in _entry(document, accounts, cost_centers)
    ]


def entry_id(number: str) -> str:
    """The journal entry's id of the document with that number, the same for good."""
    return f"JE-{number}"


def without_cost_center(postings: Iterable[Posting]) -> list[str]:
    """The counterparties of lines that have no cost centre, which no ledger will take."""
    return sorted({posting.counterparty for posting in postings if not posting.cost_center})


def refuse_unbalanced(postings: Iterable[Posting]) -> None:
    """Raise where an entry's debits are not its credits: then this is a bug, and nothing may be posted."""
    sums: dict[str, Decimal] = {}
    for posting in postings:
        held = sums.get(posting.journal_id, Decimal(0))
        sums[posting.journal_id] = money.exact_sum((held, posting.debit, -posting.credit))
    unbalanced = sorted(entry for entry, rest in sums.items() if rest)
    if unbalanced:
        raise Invalid(
            "journal_unbalanced",
            f"journal entry {unbalanced[0]} is out of balance by {sums[unbalanced[0]]:f}; "
            "nothing was written: report this as a bug",
        )


def _entry(
    document: PostedDocument, accounts: Accounts, cost_centers: Mapping[str, str | None]
) -> list[Posting]:
    """Debit what each consumer was charged and its tax, credit the provider and the tax account."""
    sides: list[tuple[str, str, str, Decimal]] = [
        (accounts.expense, center, payer, amount)
        for (center, payer), amount in _consumed(document, cost_centers).items()
    ]
    own = document.cost_center or ""
    sides += [
        (accounts.expense, own, document.payer, document.tax),
        (accounts.recovery, accounts.cost_center, accounts.company, -document.subtotal),
        (accounts.tax, accounts.cost_center, accounts.company, -document.tax),
    ]
    return [
        _posting(document, accounts, line, *side)
        for line, side in enumerate((side for side in sides if side[3]), 1)
    ]


def _consumed(
    document: PostedDocument, cost_centers: Mapping[str, str | None]
) -> dict[tuple[str, str], Decimal]:
    """What each cost centre is charged without tax; the lines of a document for all are their teams'."""
    charged: dict[tuple[str, str], Decimal] = {}
    for line in document.lines:
        if document.payer_id is None and line.team_id is not None:
            key = (cost_centers.get(line.team_id) or "", line.team_id)
        else:
            key = (document.cost_center or "", document.payer)
        charged[key] = money.EXACT.add(charged.get(key, Decimal(0)), line.amount)
    return charged


def _posting(
    document: PostedDocument, accounts: Accounts, line: int, account: str, cost_center: str,
    counterparty: str, amount: Decimal,
) -> Posting:  # fmt: skip
    nothing = abs(amount) * 0
    return Posting(
        journal_id=entry_id(document.number),
        line=line,
        posting_date=document.issue_date,
        period=document.period.label,
        company=accounts.company,
        account=account,
        cost_center=cost_center,
        debit=max(amount, nothing),
        credit=max(-amount, nothing),
        currency=document.currency,
        description=f"{document.title} {document.number}, {document.payer}, {document.period.label}",
        reference=document.number,
        counterparty=counterparty,
        reverses=entry_id(document.credits_number) if document.credits_number else "",
    )
