"""Which allocations were in pools that count no more."""

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class RetiredPoolAllocation(Base):
    """An allocation was passed on by a retired pool; it only explains cancelled invoices."""

    __tablename__ = "retired_pool_allocations"

    pool_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    allocation_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)
