"""Rows of snapshots in other currencies, kept as they were said while they wait."""

from pathlib import Path

from alembic import op

from chargeback.ledger.database import run_script

revision = "2026_11_22_foreign_snapshots"
down_revision = "2026_11_22_api"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add three columns; no row there has a value for them."""
    run_script(op.get_bind(), SQL / "2026_11_22_foreign_snapshots.sql")


def downgrade() -> None:
    """Refuse: a ledger is never taken apart."""
    raise RuntimeError("this migration cannot be undone; restore a backup instead")
