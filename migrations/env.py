"""How Alembic reaches the ledger: as its owner, in one transaction, with the roles made first."""

from alembic import context
from sqlalchemy import Connection

from models.tables import Base


def migrate(connection: Connection) -> None:
    """Run the migrations asked for on `connection`."""
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


migrate(context.config.attributes["connection"])
