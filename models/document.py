"""Files that were published."""

from datetime import datetime

from sqlalchemy import Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Document(Base):
    """One file in the file store, with what it is about and what it must still hold.

    `team_id`: the team whose viewers may read it; None: it is nobody's alone.
    Units: `bytes` its size; `sha256` in lower-case hexadecimal digits.
    """

    __tablename__ = "documents"

    document_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    kind: Mapped[str]
    subject: Mapped[str]
    uri: Mapped[str] = mapped_column(unique=True)
    bytes: Mapped[int]
    sha256: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    team_id: Mapped[str | None]

    __table_args__ = (Index(None, "kind", "subject"),)
