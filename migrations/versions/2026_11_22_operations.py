"""Operations: what runs say, who approved what, and what was archived."""

from pathlib import Path

from alembic import op

from chargeback.ledger.database import run_script

revision = "2026_11_22_operations"
down_revision = "2026_11_22_snapshots"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add the tables and columns, as the owner role."""
    run_script(op.get_bind(), SQL / "2026_11_22_operations.sql")


def downgrade() -> None:
    """Refuse: a ledger is never taken apart."""
    raise RuntimeError("this migration cannot be undone; restore a backup instead")
