"""Where usage comes from."""

from datetime import datetime

from sqlalchemy import Identity, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json
from models.enums import SourceRole, ZeroCost


class UsageSource(Base):
    """A configured cost tracker, what its usage is for, and how far it was read.

    `zero_cost` NULL: nobody decided yet what becomes of usage that has tokens and costs nothing.
    The row is the lock of a sync. `config` names secrets and never holds one.
    """

    __tablename__ = "usage_sources"

    source_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    role: Mapped[SourceRole] = mapped_column(server_default=SourceRole.ALLOCATE.value)
    zero_cost: Mapped[ZeroCost | None]
    config: Mapped[Json] = mapped_column(server_default="{}")
    cursor_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
