"""What a POST with an Idempotency-Key was answered."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Number


class IdempotencyKey(Base):
    """One caller's key with the request it came with and the answer; written in the transaction of the effect.

    Nobody but that transaction ever sees it without its answer.
    """

    __tablename__ = "idempotency_keys"

    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes]
    status: Mapped[Number | None]
    content: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    __table_args__ = (Index(None, "created_at"),)
