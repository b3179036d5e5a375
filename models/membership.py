"""Who is in which team, and when."""

from datetime import date

from sqlalchemy import ForeignKey, Identity, column, func, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Membership(Base):
    """A user is in a team from one day up to another; usage without owner goes to the home team.

    A user may be in several teams at a time, in each once, and at home in one of them at most.
    Units: `valid_from` and `valid_to` half-open; 0001-01-01 and 9999-12-31 mean always.
    """

    __tablename__ = "memberships"

    membership_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.team_id"))
    user_id: Mapped[str] = mapped_column(ForeignKey("users.user_id"))
    is_home: Mapped[bool] = mapped_column(server_default=text("false"))
    valid_from: Mapped[date] = mapped_column(server_default="0001-01-01")
    valid_to: Mapped[date] = mapped_column(server_default="9999-12-31")

    __table_args__ = (
        ExcludeConstraint(
            ("team_id", "="),
            ("user_id", "="),
            (func.daterange(column("valid_from"), column("valid_to")), "&&"),
            name="member_once",
        ),
        ExcludeConstraint(
            ("user_id", "="),
            (func.daterange(column("valid_from"), column("valid_to")), "&&"),
            name="one_home",
            where=column("is_home"),
        ),
    )
