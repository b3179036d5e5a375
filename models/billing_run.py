"""The journal of flow runs."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json, Number


class BillingRun(Base):
    """One run of a flow and how it went; a journal, so nothing is skipped because of it.

    `state` is running, waiting (for a person's decision), completed, failed or needs_a_person. `said` is what the
    run told people, `for_a_person` what somebody has to look at. `run_id` is Prefect's.
    """

    __tablename__ = "billing_runs"

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    parent_run_id: Mapped[UUID | None]
    flow: Mapped[str]
    parameters: Mapped[Json] = mapped_column(server_default="{}")
    attempt: Mapped[Number] = mapped_column(server_default=text("1"))
    state: Mapped[str]
    counts: Mapped[Json] = mapped_column(server_default="{}")
    error: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(server_default=text("now()"), index=True)
    ended_at: Mapped[datetime | None]
    said: Mapped[Json] = mapped_column(server_default="[]")
    for_a_person: Mapped[Json] = mapped_column(server_default="[]")
