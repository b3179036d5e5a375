"""Which team owns an agent, an account, a tag or a user, and when."""

from datetime import date

from sqlalchemy import ForeignKey, Identity, column, func
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.enums import OwnedKind


class Ownership(Base):
    """Usage that bears `key` is the team's from one day up to another; one owner at a time.

    Units: `valid_from` and `valid_to` half-open; 0001-01-01 and 9999-12-31 mean always.
    """

    __tablename__ = "ownerships"

    ownership_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    kind: Mapped[OwnedKind]
    key: Mapped[str]
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.team_id"))
    valid_from: Mapped[date] = mapped_column(server_default="0001-01-01")
    valid_to: Mapped[date] = mapped_column(server_default="9999-12-31")

    __table_args__ = (
        ExcludeConstraint(
            ("kind", "="),
            ("key", "="),
            (func.daterange(column("valid_from"), column("valid_to")), "&&"),
            name="one_owner",
        ),
    )
