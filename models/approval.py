"""Decisions about drafts."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Amount, Base


class Approval(Base):
    """Who approved or rejected the drafts of a period, when and why; append-only.

    `drafts_hash` is of the drafts' numbers and contents as they were shown. `run_id` is Prefect's.
    Units: `total` what the drafts came to, as printed, in the ledger's currency.
    """

    __tablename__ = "approvals"

    approval_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    period_start: Mapped[date]
    period_end: Mapped[date]
    drafts_hash: Mapped[bytes]
    numbers: Mapped[list[str]]
    total: Mapped[Amount]
    decision: Mapped[str]
    decided_by: Mapped[str]
    note: Mapped[str | None]
    run_id: Mapped[UUID | None]
    decided_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    __table_args__ = (Index(None, "period_start", "period_end"),)
