"""Metered facts."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Amount, Base, Number, RawAmount, Sign


class UsageRecord(Base):
    """One metered fact as the cost tracker reported it; a fact is never edited or deleted.

    What the tracker reported is `cost` + `residual`; where it reported in another currency, or no price and
    our own rates say one, it is `original_cost` in `original_currency` (NULL: the ledger's), and that times
    `exchange_rate` plus `repriced` is `cost` + `residual`. `usage_date` is the day of `usage_at` in the
    billing zone, `charge_date` the day whose owners and rules it is charged under. `cell_id` is the cell
    of a later revision; a first one is in its batch's cell of the same facts.
    Units: `cost` in the ledger's currency; `quantity` in `unit`; `record_count` 1,
    or -1 for a reversal. `scope_id` is the scope that a snapshot's record is held of, `fingerprint`
    64 bits of the row as it was written.
    """

    __tablename__ = "usage_records"

    usage_id: Mapped[UUID] = mapped_column(primary_key=True)
    revision: Mapped[Number] = mapped_column(primary_key=True, server_default=text("1"))
    usage_at: Mapped[datetime] = mapped_column(primary_key=True)
    source_id: Mapped[int]
    batch_id: Mapped[int]
    usage_date: Mapped[date]
    charge_date: Mapped[date]
    external_id: Mapped[str]
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
    residual: Mapped[RawAmount] = mapped_column(default=Decimal(0), server_default=text("0"))
    record_count: Mapped[Sign] = mapped_column(default=1, server_default=text("1"))
    content_hash: Mapped[UUID]
    original_cost: Mapped[RawAmount | None]
    original_currency: Mapped[str | None]
    exchange_rate: Mapped[RawAmount | None]
    repriced: Mapped[RawAmount | None]
    cell_id: Mapped[int | None]
    scope_id: Mapped[int | None]
    fingerprint: Mapped[int | None]

    __table_args__ = (
        Index("held_of_scope", "scope_id", postgresql_where=text("scope_id IS NOT NULL")),
        Index(
            "usage_by_batch",
            "batch_id",
            "usage_at",
            postgresql_using="brin",
            postgresql_with={"autosummarize": "on", "pages_per_range": 32},
        ),
        Index(
            "usage_of_cell",
            "usage_date",
            # As Postgres writes it, so that Alembic sees that they are the same.
            text(
                "hashtextextended((COALESCE(agent_id, ''::text) || COALESCE(user_id, ''::text)) "
                "|| COALESCE(team_id, ''::text), 0::bigint)"
            ),
        ),
        Index(
            "foreign_usage", "usage_date", postgresql_where=text("original_currency IS NOT NULL")
        ),
        {"postgresql_partition_by": "RANGE (usage_at)"},
    )
