"""Snapshots: the scopes that are delivered whole, and deliveries that wait for a person."""

from pathlib import Path

from alembic import op

from chargeback.ledger.database import run_script

revision = "2026_11_22_snapshots"
down_revision = "2026_11_22_intake"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add what snapshots need; nothing booked before changes."""
    run_script(op.get_bind(), SQL / "2026_11_22_snapshots.sql")


def downgrade() -> None:
    """Refuse: a ledger is never taken apart."""
    raise RuntimeError("this migration cannot be undone; restore a backup instead")
