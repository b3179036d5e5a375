"""Days, and whether they need allocating."""

from datetime import date

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class AllocationDay(Base):
    """Whether something that decides a day's money changed since the day was last allocated.

    Units: `inputs_digest` SHA-256 of everything that decided the day's money.
    """

    __tablename__ = "allocation_days"

    usage_date: Mapped[date] = mapped_column(primary_key=True)
    is_dirty: Mapped[bool]
    inputs_digest: Mapped[bytes | None]

    __table_args__ = (Index(None, "usage_date", postgresql_where="is_dirty"),)
