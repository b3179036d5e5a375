"""Deliveries of usage."""

from datetime import datetime

from sqlalchemy import ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class UsageBatch(Base):
    """A bounded piece of one delivery, loaded in one transaction; sealed when all is booked."""

    __tablename__ = "usage_batches"

    batch_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("usage_sources.source_id"), index=True)
    delivery: Mapped[str]
    opened_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    sealed_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "one_open_batch",
            "source_id",
            "delivery",
            unique=True,
            postgresql_where=text("sealed_at IS NULL"),
        ),
    )
