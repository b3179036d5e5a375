"""Deliveries: which message about which document went to whom."""

from pathlib import Path

from alembic import op

from chargeback.ledger.database import run_script

revision = "2026_11_22_deliveries"
down_revision = "2026_11_22_corrections"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add the deliveries, as the owner role."""
    run_script(op.get_bind(), SQL / "2026_11_22_deliveries.sql")


def downgrade() -> None:
    """Refuse: nobody would know what was sent."""
    raise RuntimeError("the deliveries cannot be undone; restore a backup instead")
