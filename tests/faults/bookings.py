"""Every kind of booking there is: what comes before it, what is made ready for it, and the step itself.

They make a tree: each begins on the ledger that the one it comes after leaves behind. Steps are those of flows and
commands, and safe to take twice; what is made ready happens once, undisturbed. Owns no faults.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from chargeback.ledger.replay import replay
from chargeback.ledger.revaluation import revalue
from chargeback.payer import Payer
from models.enums import InvoiceStatus
from tasks.archive_usage import archive_month, restore_month
from tasks.bill_payers import draft_invoice, draft_invoices
from tasks.deliver_documents import deliver_documents
from tasks.publish_finance import publish_finance
from tasks.reallocate_costs import reallocate_costs
from tasks.sync_usage import sync_source
from tests.faults import document_steps as documents
from tests.faults import usage_steps as usage
from tests.faults.month import ISSUED_ON, PERIOD, READ_AT, SOURCE, STEPS
from tests.ledger.books import ACTOR

NEXT_PERIOD, NEXT_ON = "2026-11", date(2026, 12, 1)
FIRST, SECOND = "INV-20261101-0001", "INV-20261101-0002"


def nothing(_folder: Path) -> None:
    """Nothing has to be made ready."""


@dataclass(frozen=True)
class Booking:
    """A step, the booking it comes after, and what is made ready in between, with a folder of its own."""

    act: Callable[[], Any]
    after: str | None = None
    ready: Callable[[Path], Any] = nothing


BOOKINGS: Mapping[str, Booking] = {
    "import": Booking(documents.import_company),
    "import rates": Booking(usage.import_rates),
    "post": Booking(usage.post, "import"),
    "sync": Booking(STEPS["sync"], "import", usage.name_week),
    "sync since cursor": Booking(
        lambda: sync_source.fn(SOURCE, None, READ_AT), "import", usage.name_tracker_of_week
    ),
    "sync snapshot": Booking(usage.read_cloud, "import", usage.bill_cloud),
    "accept snapshot": Booking(usage.accept, "sync snapshot", usage.read_fallen_cloud),
    "revalue": Booking(revalue, "import", usage.allocate_euros),
    "replay": Booking(partial(replay, None, ACTOR), "import", usage.mend_broken_rows),
    "allocate": Booking(STEPS["allocate"], "sync"),
    "change rules": Booking(documents.change_rules, "allocate"),
    "set budgets": Booking(documents.set_budgets, "allocate"),
    "notice budgets": Booking(documents.notice_budgets, "allocate", documents.ready_budgets),
    "draft": Booking(STEPS["draft"], "allocate"),
    "draft one": Booking(
        lambda: draft_invoice.fn(Payer("team-search"), PERIOD, ISSUED_ON, ACTOR, "OURS-1"),
        "sync",
    ),
    "approve": Booking(documents.approve, "draft"),
    "reject": Booking(documents.reject, "draft"),
    "cancel draft": Booking(partial(documents.move, FIRST, InvoiceStatus.CANCELLED), "draft"),
    "issue": Booking(STEPS["issue"], "draft"),
    "sweep": Booking(STEPS["sweep"], "issue"),
    "pay": Booking(partial(documents.move, FIRST, InvoiceStatus.PAID), "sweep"),
    "cancel": Booking(partial(documents.move, SECOND, InvoiceStatus.CANCELLED), "sweep"),
    "publish": Booking(STEPS["publish"], "sweep"),
    "publish finance": Booking(partial(publish_finance.fn, PERIOD), "sweep"),
    "deliver": Booking(partial(deliver_documents.fn, ISSUED_ON), "publish"),
    "sync changes": Booking(STEPS["sync"], "sweep", usage.name_changed_week),
    "withdraw": Booking(usage.withdraw, "sweep"),
    "correct": Booking(STEPS["allocate"], "sync changes"),
    "draft corrections": Booking(
        partial(draft_invoices.fn, NEXT_PERIOD, NEXT_ON, ACTOR), "correct"
    ),
    "reallocate": Booking(
        partial(reallocate_costs.fn, PERIOD, "as it should have been", ACTOR, False),
        "sweep",
        documents.know_better,
    ),
    "archive": Booking(partial(archive_month.fn, PERIOD, "csv", ACTOR), "issue"),
    "restore": Booking(partial(restore_month.fn, PERIOD, ACTOR), "archive"),
}
