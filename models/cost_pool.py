"""Cost that one rule shares out."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Amount, Base, Number
from models.enums import PoolKind


class CostPool(Base):
    """The cells of one day and source that one rule version takes, as one sum to be shared out.

    A retired pool was billed, cancelled and replaced: it stays so that the cancelled invoice can be
    explained, and counts nowhere else. Usage after a pool was billed makes the next `generation`.
    A later stage's pool takes allocations instead of cells. `remark` says why a pool was not divided as its
    rule says.
    What corrects a billed pool, `of_pool_id`, is a pool of its own: a reversal is shared as that pool was,
    a replacement as rules and owners now say; both of one reallocation where no usage changed.
    Units: `cost` in the ledger's currency; `quantity` in `unit`.
    """

    __tablename__ = "cost_pools"

    pool_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    usage_date: Mapped[date]
    source_id: Mapped[int]
    rule_key: Mapped[int] = mapped_column(ForeignKey("allocation_rules.rule_key"))
    team_id: Mapped[str | None]
    resource_type: Mapped[str]
    unit: Mapped[str]
    generation: Mapped[Number]
    cost: Mapped[Amount]
    quantity: Mapped[Amount]
    record_count: Mapped[int]
    split_digest: Mapped[UUID | None]
    retired_at: Mapped[datetime | None]
    remark: Mapped[str | None]
    kind: Mapped[PoolKind] = mapped_column(server_default=text("'usage'"))
    of_pool_id: Mapped[int | None]
    reallocation_id: Mapped[int | None] = mapped_column(ForeignKey("reallocations.reallocation_id"))

    __table_args__ = (
        UniqueConstraint(
            "usage_date",
            "source_id",
            "rule_key",
            "team_id",
            "resource_type",
            "unit",
            "kind",
            "of_pool_id",
            "reallocation_id",
            "generation",
            # Where the columns' names are too long, Postgres cuts them.
            name="cost_pools_usage_date_source_id_rule_key_team_id_resource_t_key",
            postgresql_nulls_not_distinct=True,
        ),
        Index(None, "of_pool_id", postgresql_where=text("of_pool_id IS NOT NULL")),
    )
