"""The demo's cloud: a thousand real rows of three clouds' bills, in the FOCUS format, billed like all usage.

Owns where they come from and what their totals are shown beside. They lie two years back, so their month is
billed after the others and dated as they are.
"""

from datetime import date
from pathlib import Path

from sqlalchemy import Connection

from chargeback import money
from chargeback.ledger import payers, usage_sources
from chargeback.ledger.database import snapshot
from chargeback.ledger.reconcile import reconcile
from chargeback.payers_file import read
from chargeback.periods import Period
from chargeback.settings import settings
from entrypoints import showing
from entrypoints.commands.asked import actor
from models.enums import SourceRole

SOURCE = "cloud"
CONFIG = {
    "path": "examples/focus_sample_1000.csv",
    "cost_metric": "BilledCost",
}
PERIOD = Period.month("2024-09")
OWNERS = Path("examples/cloud_accounts.yaml")
# One row of the sample lies in the month after.
PERIODS = (PERIOD, Period.month("2024-10"))
ISSUED_ON = date(2026, 11, 1)
ATTRIBUTION = "FinOps Foundation / FOCUS Sample Data, CC BY 4.0"


def add(connection: Connection) -> None:
    """The source, and who owns its largest accounts. Rerun: what is there stays."""
    owners = (settings().root / OWNERS).read_text(encoding="utf-8")
    payers.import_file(connection, read(owners, str(OWNERS)), actor())
    usage_sources.put(connection, SOURCE, "focus", SourceRole.ALLOCATE, CONFIG, actor())


def show_totals() -> None:
    """What the sample's rows add up to in each month and together, as they came and as they are held."""
    with snapshot() as connection:
        months = [(period, reconcile(connection, period)) for period in PERIODS]
    found = [
        (period.label, one)
        for period, whole in months
        for one in whole.sources
        if one.source == SOURCE
    ]
    currency = settings().currency
    rows = [
        {"month": label, "rows": one.received.rows, f"received, {currency}": one.received.amount,
         f"in the ledger, {currency}": one.ledger.amount, "difference": one.difference}
        for label, one in found
    ]  # fmt: skip
    rows.append({
        "month": "together", "rows": sum(one.received.rows for _, one in found),
        f"received, {currency}": money.exact_sum(one.received.amount for _, one in found),
        f"in the ledger, {currency}": money.exact_sum(one.ledger.amount for _, one in found),
        "difference": money.exact_sum(one.difference for _, one in found),
    })  # fmt: skip
    columns = [name for name in rows[0] if name != "month"]
    showing.table(rows, right=columns, title="The clouds' bills")
    showing.say(f"Rows of the clouds' bills: {ATTRIBUTION}", "dim")
