"""What archived records came to."""

from datetime import date

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Amount, Base, RawAmount


class ArchivedUsage(Base):
    """What the records of an archived month came to, of one batch and day: their part in the invariants."""

    __tablename__ = "archived_usage"

    month: Mapped[date] = mapped_column(ForeignKey("usage_archives.month"), primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("usage_batches.batch_id"), primary_key=True)
    usage_date: Mapped[date] = mapped_column(primary_key=True, index=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("usage_sources.source_id"))
    record_count: Mapped[int]
    quantity: Mapped[Amount]
    cost: Mapped[Amount]
    residual: Mapped[RawAmount]
