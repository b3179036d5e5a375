"""Claims: which line bills which allocation."""

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base

_HELD = "released_by_line_id IS NULL"
_RELEASED = "released_by_line_id IS NOT NULL"


class LineAllocation(Base):
    """A line claims an allocation, and no other line can until it is released.

    A released claim names the credit note's line that released it, so that a cancelled invoice
    stays explained.
    """

    __tablename__ = "line_allocations"

    line_id: Mapped[int] = mapped_column(ForeignKey("invoice_lines.line_id"), primary_key=True)
    allocation_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    released_by_line_id: Mapped[int | None] = mapped_column(ForeignKey("invoice_lines.line_id"))

    __table_args__ = (
        Index("claimed_once", "allocation_id", unique=True, postgresql_where=_HELD),
        Index("claims_released", "allocation_id", postgresql_where=_RELEASED),
        Index(None, "released_by_line_id", postgresql_where=_RELEASED),
    )
