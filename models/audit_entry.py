"""Who did what, and why."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json


class AuditEntry(Base):
    """One thing that was done; its hash covers the entry before it, so none can be slipped in.

    Written by the SQL function `audit_append` only; the status history of invoices too.
    Units: `seq` from 1 without gaps; hashes are SHA-256.
    """

    __tablename__ = "audit_log"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject_kind: Mapped[str]
    subject_id: Mapped[str]
    before: Mapped[Json | None]
    after: Mapped[Json | None]
    reason: Mapped[str | None]
    run_id: Mapped[str | None]
    prev_hash: Mapped[bytes]
    hash: Mapped[bytes]

    __table_args__ = (Index(None, "subject_kind", "subject_id"),)
