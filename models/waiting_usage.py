"""Rows of snapshots that wait."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Identity
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Amount, Base, RawAmount


class WaitingUsage(Base):
    """A row of a snapshot that waits for a person: what its record would say. Gone once it is decided.

    Units: `cost` in the ledger's currency, `original_cost` in `currency` where that is another;
    `quantity` in `unit`; `position` the row's place in its delivery from 1.
    """

    __tablename__ = "waiting_usage"

    waiting_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    snapshot_id: Mapped[int] = mapped_column(ForeignKey("usage_snapshots.snapshot_id"), index=True)
    position: Mapped[int]
    content_hash: Mapped[UUID]
    residual: Mapped[RawAmount]
    usage_date: Mapped[date]
    charge_date: Mapped[date]
    usage_at: Mapped[datetime]
    team_id: Mapped[str | None]
    user_id: Mapped[str | None]
    agent_id: Mapped[str | None]
    account_id: Mapped[str | None]
    owner_tag: Mapped[str | None]
    resource_type: Mapped[str]
    sku: Mapped[str | None]
    unit: Mapped[str]
    quantity: Mapped[Amount]
    cost: Mapped[Amount]
    currency: Mapped[str | None]
    original_cost: Mapped[RawAmount | None]
    exchange_rate: Mapped[RawAmount | None]
