"""What finance takes from a period: the journal, the workbook and the FOCUS exports, as files.

Owns which there are and what each is made of; how each is written is its own module's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chargeback.documents import focus_csv
from chargeback.documents.journal_csv import journal_csv, profile
from chargeback.documents.workbook import workbook
from chargeback.journal import Accounts, Posting, journal, refuse_unbalanced
from chargeback.periods import Period
from chargeback.settings import Settings
from chargeback.views import ChargeRow, PostedDocument


@dataclass(frozen=True)
class Finance:
    """The figures of a period that finance works with."""

    period: Period
    currency: str
    documents: Sequence[PostedDocument]
    charges: Sequence[ChargeRow]
    came_in: Sequence[tuple[str, Decimal]]
    postings: Sequence[Posting]


def accounts_of(settings: Settings) -> Accounts:
    """Where charges are posted, by the settings."""
    return Accounts(
        settings.journal_expense_account,
        settings.journal_recovery_account,
        settings.journal_tax_account,
        settings.journal_cost_center,
        settings.journal_company,
    )


def postings_of(
    documents: Sequence[PostedDocument], cost_centers: dict[str, str | None], settings: Settings
) -> list[Posting]:
    """The journal of these documents, which is in balance, or nothing is written."""
    postings = journal(documents, accounts_of(settings), cost_centers)
    refuse_unbalanced(postings)
    return postings


def _journal(figures: Finance, settings: Settings) -> bytes:
    return journal_csv(figures.postings, profile(settings.journal_profile))


def _workbook(figures: Finance, _settings: Settings) -> bytes:
    return workbook(
        figures.period, figures.currency, figures.documents, figures.charges, figures.came_in, figures.postings
    )  # fmt: skip


def _focus_allocations(figures: Finance, settings: Settings) -> bytes:
    return focus_csv.allocations_csv(figures.charges, figures.currency, settings.letterhead_name)


def _focus_allocations_1_3(figures: Finance, settings: Settings) -> bytes:
    issuer = settings.letterhead_name
    return focus_csv.allocations_csv(figures.charges, figures.currency, issuer, "1.3")


def _focus_invoices(figures: Finance, settings: Settings) -> bytes:
    return focus_csv.invoices_csv(figures.documents, settings.letterhead_name)


# By name: how each file ends, and how it is made.
FILES: dict[str, tuple[str, Callable[[Finance, Settings], bytes]]] = {
    "journal": ("csv", _journal),
    "workbook": ("xlsx", _workbook),
    "focus-allocations": ("csv", _focus_allocations),
    "focus-allocations-1.3": ("csv", _focus_allocations_1_3),
    "focus-invoices": ("csv", _focus_invoices),
}
PUBLISHED = ("journal", "workbook", "focus-allocations", "focus-invoices")
