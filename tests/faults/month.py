"""A month's billing, step by step: what the flow `monthly-billing` does, without Prefect around it.

The example company's October, dated as the demo dates it, so that each step finds something to do.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from chargeback.ledger import payers, usage_sources
from chargeback.ledger.database import transaction
from chargeback.payers_file import PayersFile, read
from models.enums import SourceRole
from tasks.allocate_costs import allocate_costs
from tasks.bill_payers import draft_invoices, issue_invoices, sweep_overdue
from tasks.publish_documents import publish_invoices
from tasks.publish_reports import publish_reports
from tasks.sync_usage import sync_source
from tests.ledger.books import ACTOR, EXAMPLES

SOURCE, PERIOD = "cost-tracker", "2026-10"
ISSUED_ON, SWEPT_ON = date(2026, 11, 1), date(2026, 11, 20)
READ_AT = datetime(2026, 11, 1, tzinfo=UTC)
EXPORT = EXAMPLES / "cost_tracker_export.json"
# On the 16th an agent gets another owner.
WEEK = [f"2026-10-{day}" for day in range(13, 20)]
MONTH = [f"2026-10-{day:02}" for day in range(1, 32)]


def publish() -> None:
    """Both kinds of documents."""
    publish_invoices.fn(PERIOD)
    publish_reports.fn(PERIOD)


STEPS: Mapping[str, Callable[[], Any]] = {
    "sync": lambda: sync_source.fn(SOURCE, PERIOD, READ_AT),
    "allocate": lambda: allocate_costs.fn(ISSUED_ON),
    "draft": lambda: draft_invoices.fn(PERIOD, ISSUED_ON, ACTOR),
    "issue": lambda: issue_invoices.fn(PERIOD, ISSUED_ON, ACTOR),
    "sweep": lambda: sweep_overdue.fn(SWEPT_ON, ACTOR),
    "publish": publish,
}


def example_records() -> list[dict[str, Any]]:
    """What the example's export holds."""
    return list(json.loads(EXPORT.read_text(encoding="utf-8"))["records"])


def write_export(path: Path, days: Sequence[str], copies: int = 1) -> None:
    """An export of what the example's holds of these days, `copies` times under ids of their own."""
    records = [
        {**record, "call_id": f"{record['call_id']}-{copy}"}
        for copy in range(copies)
        for record in example_records()
        if record["timestamp"][:10] in days
    ]
    path.write_text(json.dumps({"records": records}), encoding="utf-8")


def company() -> PayersFile:
    """The example company."""
    return read((EXAMPLES / "company.yaml").read_text(encoding="utf-8"), "company.yaml")


def name_tracker(url: str) -> None:
    """Name a tracker that is asked over HTTP as the source of usage."""
    with transaction() as connection:
        config = {"url": url, "form": "json"}
        usage_sources.put(connection, SOURCE, "cost_tracker", SourceRole.ALLOCATE, config, ACTOR)


def name_source(export: Path, name: str = SOURCE, **more: str) -> None:
    """Name the export as a source of usage, to be read from the beginning."""
    with transaction() as connection:
        _put_source(connection, export, name, **more)


def open_books(export: Path, url: str | None = None) -> None:
    """Import the example company, and name the export as its source of usage."""
    with transaction(url) as connection:
        payers.import_file(connection, company(), ACTOR)
        _put_source(connection, export, SOURCE)


def _put_source(connection: Connection, export: Path, name: str, **more: str) -> None:
    config = {"path": str(export), "form": "json"} | more
    role = SourceRole.ALLOCATE
    usage_sources.put(connection, name, "cost_tracker", role, config, ACTOR)
