"""Which threshold of a budget was passed."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Amount, Base, Number


class BudgetAlert(Base):
    """A team's month passed a threshold of its budget: noticed once, and waiting until Prefect heard of it.

    Units: `threshold` in percent of `amount`, the month's budget when it was noticed; `spent` what had been
    allocated by then. `event_id` is the same in every attempt, so that a receiver knows a repeat.
    """

    __tablename__ = "budget_alerts"

    alert_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.team_id"))
    month: Mapped[date]
    threshold: Mapped[Number]
    amount: Mapped[Amount]
    spent: Mapped[Amount]
    event_id: Mapped[UUID] = mapped_column(unique=True)
    attempts: Mapped[Number] = mapped_column(server_default=text("0"))
    noticed_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    told_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("team_id", "month", "threshold", name="each_threshold_once"),
        Index("alerts_waiting", "alert_id", postgresql_where=text("told_at IS NULL")),
    )
