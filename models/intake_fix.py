"""How refused rows are mended."""

from datetime import datetime

from sqlalchemy import ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.enums import FixOperation


class IntakeFix(Base):
    """What is changed in refused rows of one source and code, when replayed and when delivered again.

    `set` writes `new_text` into `field`; `replace` puts it where `old_text` stands in it. With
    `where_field` only rows where that is `where_value`. One that has ended applies no more.
    """

    __tablename__ = "intake_fixes"

    fix_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("usage_sources.source_id"))
    code: Mapped[str]
    field: Mapped[str]
    operation: Mapped[FixOperation]
    old_text: Mapped[str | None]
    new_text: Mapped[str]
    where_field: Mapped[str | None]
    where_value: Mapped[str | None]
    reason: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]

    __table_args__ = (Index(None, "source_id", postgresql_where=text("ended_at IS NULL")),)
