"""What a team means to spend."""

from datetime import date

from sqlalchemy import ForeignKey, Identity, Integer, column, func
from sqlalchemy.dialects.postgresql import ARRAY, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Amount, Base


class Budget(Base):
    """A team may spend `amount` in each calendar month that begins within its days; one at a time.

    Units: `amount` in the ledger's currency per month; `thresholds` in percent of it, none for those of the
    settings; `valid_from` and `valid_to` half-open, first days of months, 0001-01-01 and 9999-12-31 mean always.
    """

    __tablename__ = "budgets"

    budget_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.team_id"))
    amount: Mapped[Amount]
    thresholds: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default="{}")
    valid_from: Mapped[date] = mapped_column(server_default="0001-01-01")
    valid_to: Mapped[date] = mapped_column(server_default="9999-12-31")

    __table_args__ = (
        ExcludeConstraint(
            ("team_id", "="),
            (func.daterange(column("valid_from"), column("valid_to")), "&&"),
            name="one_budget",
        ),
    )
