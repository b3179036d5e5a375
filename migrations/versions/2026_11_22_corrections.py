"""Corrections: reversals, replacements, reallocations, and what follows a write-off."""

from pathlib import Path

from alembic import op

from chargeback.ledger.database import run_script

revision = "2026_11_22_corrections"
down_revision = "2026_11_22"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add what corrections need, as the owner role."""
    run_script(op.get_bind(), SQL / "2026_11_22_corrections.sql")


def downgrade() -> None:
    """Refuse: what was corrected cannot be told without it."""
    raise RuntimeError("the corrections cannot be undone; restore a backup instead")
