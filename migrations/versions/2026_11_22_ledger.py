"""The ledger: payers, usage, allocation, documents, journals, roles and row-level security."""

from pathlib import Path

from alembic import op

from chargeback.ledger.database import run_script

revision = "2026_11_22"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Create everything, as the owner role."""
    for part in ("tables", "functions", "access"):
        run_script(op.get_bind(), SQL / f"2026_11_22_{part}.sql")


def downgrade() -> None:
    """Refuse: a ledger is never taken apart."""
    raise RuntimeError("the first migration cannot be undone; restore a backup instead")
