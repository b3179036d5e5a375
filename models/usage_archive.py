"""Months of usage records that lie in files."""

from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json


class UsageArchive(Base):
    """A month (UTC) of usage records that was written to files and dropped, or was brought back since.

    `state` is archived or restored. `files` are [uri, bytes, SHA-256] in order. `digest` is what the
    ledger's digest says of these records.
    """

    __tablename__ = "usage_archives"

    month: Mapped[date] = mapped_column(primary_key=True)
    state: Mapped[str]
    form: Mapped[str]
    files: Mapped[Json]
    record_count: Mapped[int]
    digest: Mapped[str]
    archived_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    archived_by: Mapped[str]
    restored_at: Mapped[datetime | None]
    restored_by: Mapped[str | None]
