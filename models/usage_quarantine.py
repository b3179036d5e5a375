"""Rows that were refused."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json, RawAmount
from models.enums import QuarantineState


class UsageQuarantine(Base):
    """A refused row as it came, with its line and the reason, until it is replaced or waived.

    A row of a snapshot is decided with the whole of it.
    `is_read` rows are usage by its fields, the others are as their source has them. `booked_as` is the
    external id under which a row that had another, or none, was booked.
    Units: `position` the row's place in its delivery from 1; `raw_cost` in `currency`
    (NULL: the ledger's), NULL where none can be read.
    """

    __tablename__ = "usage_quarantine"

    quarantine_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("usage_batches.batch_id"))
    source_id: Mapped[int] = mapped_column(ForeignKey("usage_sources.source_id"))
    position: Mapped[int]
    external_id: Mapped[str | None]
    usage_date: Mapped[date | None]
    code: Mapped[str]
    reason: Mapped[str]
    row: Mapped[Json]
    row_hash: Mapped[UUID]
    raw_cost: Mapped[RawAmount | None]
    state: Mapped[QuarantineState] = mapped_column(server_default=QuarantineState.OPEN.value)
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    decision: Mapped[str | None]
    snapshot_id: Mapped[int | None] = mapped_column(ForeignKey("usage_snapshots.snapshot_id"))
    currency: Mapped[str | None]
    is_read: Mapped[bool] = mapped_column(server_default=text("false"))
    booked_as: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint("source_id", "row_hash"),
        Index(None, "source_id", "external_id", postgresql_where=text("state = 'open'")),
        Index(None, "snapshot_id", postgresql_where=text("snapshot_id IS NOT NULL")),
    )
