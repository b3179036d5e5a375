"""The report site: whose published files are, and how shared cost was split."""

from pathlib import Path

from alembic import op

from chargeback.ledger.database import run_script

revision = "2026_11_22_site"
down_revision = "2026_11_22_budgets"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add the column, its policy and the view."""
    run_script(op.get_bind(), SQL / "2026_11_22_site.sql")


def downgrade() -> None:
    """Refuse: a ledger is never taken apart."""
    raise RuntimeError("this migration cannot be undone; restore a backup instead")
