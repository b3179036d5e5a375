"""Rules that say who bears what."""

from datetime import date, datetime

from sqlalchemy import Identity, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json, Number
from models.enums import RuleType


class AllocationRule(Base):
    """One version of a rule: which usage it takes, and how the cost of that reaches payers.

    A version is never edited, an edit makes the next one. The smaller `priority` takes first.
    A closing version ends its rule. `receivers` is who a split charges, resolved when the version
    was made: [[team or null, user or null, weight], …].
    A later `stage` takes what the stages before it gave to `team_id`. `driver` is what a proportional rule
    divides by: {} for direct cost, else a quantity's source, resource type and unit.
    Units: `split_percentages` payer to percentage, as text; `valid_from` and `valid_to` half-open.
    """

    __tablename__ = "allocation_rules"

    rule_key: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    rule_id: Mapped[str]
    version: Mapped[Number]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    rule_type: Mapped[RuleType]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    is_closing: Mapped[bool] = mapped_column(server_default=text("false"))
    priority: Mapped[Number] = mapped_column(server_default=text("100"))
    team_id: Mapped[str | None]
    user_ids: Mapped[list[str]] = mapped_column(server_default="{}")
    match_user_ids: Mapped[list[str]] = mapped_column(server_default="{}")
    agent_ids: Mapped[list[str]] = mapped_column(server_default="{}")
    account_ids: Mapped[list[str]] = mapped_column(server_default="{}")
    resource_types: Mapped[list[str]] = mapped_column(server_default="{}")
    entity_ids: Mapped[list[str]] = mapped_column(server_default="{}")
    entity_type: Mapped[str | None]
    split_percentages: Mapped[Json] = mapped_column(server_default="{}")
    receivers: Mapped[Json] = mapped_column(server_default="[]")
    valid_from: Mapped[date] = mapped_column(server_default="0001-01-01")
    valid_to: Mapped[date] = mapped_column(server_default="9999-12-31")
    metadata_: Mapped[Json] = mapped_column("metadata", server_default="{}")
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    created_by: Mapped[str]
    stage: Mapped[Number] = mapped_column(server_default=text("1"))
    driver: Mapped[Json] = mapped_column(nullable=True)

    __table_args__ = (UniqueConstraint("rule_id", "version"),)
