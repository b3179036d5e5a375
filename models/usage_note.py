"""What a sender said about usage that decides no money."""

from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json


class UsageNote(Base):
    """The resource and the metadata of one usage record, kept as they were sent first."""

    __tablename__ = "usage_notes"

    usage_id: Mapped[UUID] = mapped_column(primary_key=True)
    resource_id: Mapped[str | None]
    metadata_: Mapped[Json | None] = mapped_column("metadata")
