"""Lineage that every role may read of what is its own, and budgets."""

from pathlib import Path

from alembic import op

from chargeback.ledger.database import run_script

revision = "2026_11_22_budgets"
down_revision = "2026_11_22_foreign_snapshots"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add the views that explain lines, then the budgets."""
    for part in ("lineage", "budgets"):
        run_script(op.get_bind(), SQL / f"2026_11_22_{part}.sql")


def downgrade() -> None:
    """Refuse: a ledger is never taken apart."""
    raise RuntimeError("this migration cannot be undone; restore a backup instead")
