"""Shared cost by driver and in stages: what divides a pool, and the allocations that a later rule passes on."""

from pathlib import Path

from alembic import op

from chargeback.ledger.database import run_script

revision = "2026_11_22_shared_cost"
down_revision = "2026_11_22_deliveries"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add the columns and tables; what is held stays as it is, every rule being of the first stage."""
    run_script(op.get_bind(), SQL / "2026_11_22_shared_cost.sql")


def downgrade() -> None:
    """Refuse: cost that was passed on would be billed twice without its tables."""
    raise RuntimeError("shared cost cannot be undone; restore a backup instead")
