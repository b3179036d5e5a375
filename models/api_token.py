"""Who may call the API."""

from datetime import datetime

from sqlalchemy import ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.enums import TokenRole


class ApiToken(Base):
    """One token: `cb_<handle>_<secret>`, of whose secret only the SHA-256 is kept.

    A viewer's has the team whose rows it may read. It is never edited or deleted, it is revoked.
    """

    __tablename__ = "api_tokens"

    token_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    handle: Mapped[str] = mapped_column(unique=True)
    secret_hash: Mapped[bytes]
    role: Mapped[TokenRole]
    team_id: Mapped[str | None] = mapped_column(ForeignKey("teams.team_id"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    created_by: Mapped[str]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (
        Index("one_live_name", "name", unique=True, postgresql_where=text("revoked_at IS NULL")),
    )
