"""What snapshots are delivered of."""

from datetime import date

from sqlalchemy import ForeignKey, Identity, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class UsageScope(Base):
    """A billing period of an account of one source: what a snapshot delivers whole.

    `period_start <= day < period_end`; the end is the latest that was named. Without period and
    account it stands for rows that do not say what they belong to.
    """

    __tablename__ = "usage_scopes"

    scope_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("usage_sources.source_id"))
    period_start: Mapped[date | None]
    period_end: Mapped[date | None]
    account: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint(
            "source_id", "period_start", "account", postgresql_nulls_not_distinct=True
        ),
    )
