"""What sources say their days come to."""

from datetime import date, datetime

from sqlalchemy import ForeignKey, Identity, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, RawAmount


class SourceTotal(Base):
    """What a source said, the last time it was read, that one of its days comes to.

    Units: `raw_cost` in `currency` (NULL: the ledger's) with every digit.
    """

    __tablename__ = "source_totals"

    total_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("usage_sources.source_id"))
    usage_date: Mapped[date]
    currency: Mapped[str | None]
    row_count: Mapped[int]
    raw_cost: Mapped[RawAmount]
    told_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    __table_args__ = (
        UniqueConstraint("source_id", "usage_date", "currency", postgresql_nulls_not_distinct=True),
    )
