"""What is fixed for the whole ledger."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class LedgerSettings(Base):
    """In which currency and by whose calendar this ledger counts: one row, written once.

    Units: `currency` an ISO 4217 code; `billing_zone` an IANA time zone.
    """

    __tablename__ = "ledger_settings"

    is_only: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    billing_zone: Mapped[str]
    currency: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
