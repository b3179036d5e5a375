"""Snapshots that were refused whole."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Amount, Base
from models.enums import SnapshotState


class UsageSnapshot(Base):
    """A delivery of a scope that is not booked unless a person says so, beside what was held when it came.

    Units: `cost` and `held_cost` in the ledger's currency. `content_hash` is the same for the same
    rows in any order.
    """

    __tablename__ = "usage_snapshots"

    snapshot_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    scope_id: Mapped[int] = mapped_column(ForeignKey("usage_scopes.scope_id"), index=True)
    delivery: Mapped[str]
    content_hash: Mapped[UUID]
    row_count: Mapped[int]
    cost: Mapped[Amount]
    held_count: Mapped[int]
    held_cost: Mapped[Amount]
    refused_count: Mapped[int]
    reasons: Mapped[list[str]]
    state: Mapped[SnapshotState] = mapped_column(server_default=SnapshotState.WAITING.value)
    arrived_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    decision: Mapped[str | None]

    __table_args__ = (
        Index("one_waiting", "scope_id", unique=True, postgresql_where=text("state = 'waiting'")),
    )
