"""Which allocation was passed on."""

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class PoolAllocation(Base):
    """An allocation that a later stage's pool took: its payer does not bear it, the pool's payers do."""

    __tablename__ = "pool_allocations"

    allocation_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    pool_id: Mapped[int] = mapped_column(index=True)
