"""What other currencies are in the ledger's."""

from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, RawAmount


class ExchangeRate(Base):
    """What one unit of `currency` is in the ledger's, for the days of one calendar month.

    Frozen once an invoice that bills any day of the month was issued.
    Units: `period_month` its first day; `rate` in the ledger's currency.
    """

    __tablename__ = "exchange_rates"

    period_month: Mapped[date] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    rate: Mapped[RawAmount]
    imported_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    imported_by: Mapped[str]
