"""Usage added up."""

from datetime import date
from decimal import Decimal

from sqlalchemy import Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Amount, Base, RawAmount


class UsageCell(Base):
    """The usage of one batch and day that nothing in charging tells apart, added up; never edited.

    A cell may take back an earlier one or part of it (`reverses_cell_id`), or stand in for what was taken
    back (`replaces_cell_id`); where no usage changed, a reallocation made both. `currency` is that of its source
    (NULL: the ledger's), converted at `exchange_rate`; `repriced` is how much of the cost our own rates say.

    Units: `cost` and `repriced` in the ledger's currency; `quantity` in `unit`; `record_count` records less
    reversals.
    """

    __tablename__ = "usage_cells"

    cell_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    batch_id: Mapped[int] = mapped_column(index=True)
    source_id: Mapped[int]
    usage_date: Mapped[date] = mapped_column(index=True)
    charge_date: Mapped[date]
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
    residual: Mapped[RawAmount]
    record_count: Mapped[int]
    currency: Mapped[str | None]
    exchange_rate: Mapped[RawAmount] = mapped_column(default=Decimal(1), server_default=text("1"))
    repriced: Mapped[RawAmount] = mapped_column(default=Decimal(0), server_default=text("0"))
    reverses_cell_id: Mapped[int | None]
    replaces_cell_id: Mapped[int | None]
    reallocation_id: Mapped[int | None]

    __table_args__ = (
        Index(None, "reverses_cell_id", postgresql_where=text("reverses_cell_id IS NOT NULL")),
        Index(None, "replaces_cell_id", postgresql_where=text("replaces_cell_id IS NOT NULL")),
        Index(
            "reallocated_once",
            "replaces_cell_id",
            unique=True,
            postgresql_where=text("reallocation_id IS NOT NULL"),
        ),
        Index(
            "corrected_days",
            "usage_date",
            postgresql_where=text("reverses_cell_id IS NOT NULL OR replaces_cell_id IS NOT NULL"),
        ),
    )
