"""What a model's tokens cost."""

from datetime import date

from sqlalchemy import Identity, column, func
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, RawAmount


class Rate(Base):
    """What tokens of one kind of a model cost from one day up to another; one price at a time.

    Units: `price` in the ledger's currency for `per_tokens` tokens (1, 1,000 or 1,000,000);
    `valid_from` and `valid_to` half-open; 0001-01-01 and 9999-12-31 mean always.
    """

    __tablename__ = "rates"

    rate_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    model: Mapped[str]
    token_kind: Mapped[str]
    price: Mapped[RawAmount]
    per_tokens: Mapped[int]
    valid_from: Mapped[date] = mapped_column(server_default="0001-01-01")
    valid_to: Mapped[date] = mapped_column(server_default="9999-12-31")

    __table_args__ = (
        ExcludeConstraint(
            ("model", "="),
            ("token_kind", "="),
            (func.daterange(column("valid_from"), column("valid_to")), "&&"),
            name="one_rate",
        ),
    )
