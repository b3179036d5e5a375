"""What a batch received and what became of it."""

from datetime import date
from decimal import Decimal

from sqlalchemy import ForeignKey, Identity, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Amount, Base, RawAmount


class UsageManifest(Base):
    """What one batch received for one day of usage, and where each row and cent of it went.

    received = new + unchanged + changed + quarantined; (new + changed - reversed) * `exchange_rate` + `repriced`
    (what our own rates add) = `cost` + `residual`. Reversed is what the batch took back of that day.
    `usage_date` is NULL for rows whose day cannot be read.
    Units: `*_count` rows; `*_raw` in `currency` (NULL: the ledger's) with every digit received.
    """

    __tablename__ = "usage_manifests"

    manifest_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("usage_batches.batch_id"))
    usage_date: Mapped[date | None]
    received_count: Mapped[int]
    received_raw: Mapped[RawAmount]
    new_count: Mapped[int]
    new_raw: Mapped[RawAmount]
    unchanged_count: Mapped[int]
    unchanged_raw: Mapped[RawAmount]
    changed_count: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    changed_raw: Mapped[RawAmount] = mapped_column(default=Decimal(0), server_default=text("0"))
    quarantined_count: Mapped[int]
    quarantined_raw: Mapped[RawAmount]
    cost: Mapped[Amount]
    residual: Mapped[RawAmount]
    currency: Mapped[str | None]
    exchange_rate: Mapped[RawAmount] = mapped_column(default=Decimal(1), server_default=text("1"))
    repriced: Mapped[RawAmount] = mapped_column(default=Decimal(0), server_default=text("0"))
    reversed_count: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    reversed_raw: Mapped[RawAmount] = mapped_column(default=Decimal(0), server_default=text("0"))

    __table_args__ = (
        UniqueConstraint(
            "batch_id",
            "usage_date",
            "currency",
            "exchange_rate",
            postgresql_nulls_not_distinct=True,
        ),
    )
