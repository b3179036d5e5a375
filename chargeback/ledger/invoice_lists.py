"""Which documents a question is about, newest first; reading them whole is `invoices`'.

Asked by every role: row-level security leaves a viewer its team's.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from chargeback.periods import Period
from models.enums import DocumentKind, InvoiceStatus


class Asked(NamedTuple):
    """Which documents; None asks for any. Of a period those that overlap it, without cancelled drafts."""

    team_id: str | None = None
    user_id: str | None = None
    status: InvoiceStatus | None = None
    kind: DocumentKind | None = None
    period: Period | None = None


def newest(connection: Connection, asked: Asked, before: int, most: int) -> Sequence[int]:
    """The ids of those older than `before`, at most `most` of them."""
    return (
        connection.execute(
            text("""
                SELECT invoice_id FROM invoices
                WHERE invoice_id < :before
                  AND (CAST(:team AS text) IS NULL OR team_id = :team)
                  AND (CAST(:user AS text) IS NULL OR user_id = :user)
                  AND (CAST(:status AS text) IS NULL OR status = :status)
                  AND (CAST(:kind AS text) IS NULL OR kind = :kind)
                  AND (CAST(:start AS date) IS NULL OR (period_start < :end AND period_end > :start
                       AND (status <> 'cancelled' OR content_hash IS NOT NULL)))
                ORDER BY invoice_id DESC LIMIT :most"""),
            {
                "before": before, "most": most, "team": asked.team_id, "user": asked.user_id,
                "status": asked.status and asked.status.value, "kind": asked.kind and asked.kind.value,
                "start": asked.period and asked.period.start, "end": asked.period and asked.period.end,
            },
        )
        .scalars()
        .all()
    )  # fmt: skip


def team_of(connection: Connection, invoice_id: int) -> str | None:
    """Whose the document is; None for a user's own and for one of all payers."""
    team: str | None = connection.execute(
        text("SELECT team_id FROM invoices WHERE invoice_id = :id"), {"id": invoice_id}
    ).scalar_one()
    return team
