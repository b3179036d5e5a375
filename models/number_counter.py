"""The numbers of documents."""

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class NumberCounter(Base):
    """The last number given in a series; its row is the lock that leaves no gaps."""

    __tablename__ = "number_counters"

    series: Mapped[str] = mapped_column(primary_key=True)
    last_ordinal: Mapped[int]
