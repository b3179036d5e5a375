"""Intake: prices, currencies, fixes of refused rows, what sources say their days come to, owners of users."""

from pathlib import Path

from alembic import op

from chargeback.ledger.database import run_script

revision = "2026_11_22_intake"
down_revision = "2026_11_22_shared_cost"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add what is new; what is held keeps its meaning: the ledger's currency, priced by its source."""
    run_script(op.get_bind(), SQL / "2026_11_22_intake.sql")


def downgrade() -> None:
    """Refuse: a ledger is never taken apart."""
    raise RuntimeError("a ledger is never taken apart; restore a backup instead")
