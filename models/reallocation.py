"""Shares booked anew."""

from datetime import date, datetime

from sqlalchemy import Identity, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Reallocation(Base):
    """A decision to share billed cost of a period under the rules and owners of its moment; never edited."""

    __tablename__ = "reallocations"

    reallocation_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    period_start: Mapped[date]
    period_end: Mapped[date]
    reason: Mapped[str]
    booked_by: Mapped[str]
    booked_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
