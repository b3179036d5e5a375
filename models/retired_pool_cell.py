"""Which cells were in pools that count no more."""

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class RetiredPoolCell(Base):
    """A cell was in a retired pool, for this team and user; it only explains cancelled invoices."""

    __tablename__ = "retired_pool_cells"

    pool_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cell_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)
    team_id: Mapped[str | None]
    user_id: Mapped[str | None]
