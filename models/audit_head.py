"""Where the audit chain ends."""

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class AuditHead(Base):
    """The number and hash of the newest entry, in one row; who appends locks it, last of all."""

    __tablename__ = "audit_head"

    is_only: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    seq: Mapped[int]
    hash: Mapped[bytes]
