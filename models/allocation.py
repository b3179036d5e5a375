"""What payers bear."""

from datetime import date

from sqlalchemy import Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Amount, Base


class Allocation(Base):
    """What one payer bears of one pool; a pool's allocations add up to its cost exactly.

    The payer is a team, a user or both; neither: unattributed. What corrects a share that was written off
    is written off with it.
    Units: `cost` in the ledger's currency; `quantity` in the pool's unit; `weight` in what the rule
    divides by, NULL where it divides nothing.
    """

    __tablename__ = "allocations"

    allocation_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    pool_id: Mapped[int]
    usage_date: Mapped[date]
    team_id: Mapped[str | None]
    user_id: Mapped[str | None]
    cost: Mapped[Amount]
    quantity: Mapped[Amount]
    weight: Mapped[Amount | None]
    is_written_off: Mapped[bool] = mapped_column(default=False, server_default=text("false"))

    __table_args__ = (
        UniqueConstraint("pool_id", "team_id", "user_id", postgresql_nulls_not_distinct=True),
        Index(None, "team_id", "usage_date"),
        Index(None, "user_id", "usage_date"),
        Index("written_off", "pool_id", postgresql_where=text("is_written_off")),
    )
