"""Payers: users."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Amount, Base, Number


class User(Base):
    """A user: a payer, and the person or robot that caused usage.

    Units: `net_days` days to pay, NULL: the installation's; `tax_rate` a fraction from 0 to 1.
    """

    __tablename__ = "users"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    cost_center: Mapped[str | None]
    contact: Mapped[str | None]
    net_days: Mapped[Number | None]
    tax_rate: Mapped[Amount] = mapped_column(default=Decimal(0), server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
