"""Which cell is in which pool."""

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class PoolCell(Base):
    """A cell counts in one pool, for the team and user it was attributed to at that time."""

    __tablename__ = "pool_cells"

    cell_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    pool_id: Mapped[int] = mapped_column(index=True)
    team_id: Mapped[str | None]
    user_id: Mapped[str | None]

    __table_args__ = (Index("cells_of_team", "team_id"), Index("cells_of_user", "user_id"))
