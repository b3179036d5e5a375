"""Months of usage records that lie in files instead of partitions: which there are, and how a month gets there.

Owns the horizon: usage up to its end is refused, because what was held of it is not here to compare with.
What a record of it is as text is `archived_rows`'s, what a file looks like `documents.archive_rows`'s.
Months are those of UTC, as the partitions are.
"""

# ruff: noqa: S608 - queries are made of constants only

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from chargeback.errors import NotFound, Refused
from chargeback.ledger import audit, closing
from chargeback.ledger.publications import Publication
from chargeback.periods import ONE_DAY, Period


@dataclass(frozen=True)
class Archive:
    """A month in the archive; `files` in order. `state` is archived, or restored since."""

    month: date
    state: str
    form: str
    files: tuple[Publication, ...]
    record_count: int
    digest: str


def horizon(connection: Connection) -> date | None:
    """The first instant's day (UTC) that may still be booked; None where nothing was archived."""
    return connection.execute(
        text(
            """SELECT (max(month) + interval '1 month')::date FROM usage_archives WHERE state = 'archived'"""
        )
    ).scalar()


def archives(connection: Connection) -> list[Archive]:
    """All of them, oldest first."""
    rows = connection.execute(text("SELECT * FROM usage_archives ORDER BY month"))
    return [_archive(row) for row in rows]


def find(connection: Connection, month: date) -> Archive:
    """The archive of a month, locked. Raises NotFound."""
    row = connection.execute(
        text("SELECT * FROM usage_archives WHERE month = :month FOR UPDATE"), {"month": month}
    ).first()
    if row is None:
        raise NotFound(
            "archive_not_found",
            f"the usage of {month:%Y-%m} was never archived; `chargeback archive list` shows what was",
        )
    return _archive(row)


def _archive(row: Any) -> Archive:
    files = tuple(
        Publication("archive", f"usage {place} {row.month:%Y-%m}", *file)
        for place, file in enumerate(row.files, 1)
    )
    return Archive(row.month, row.state, row.form, files, row.record_count, row.digest)


def partition_months(connection: Connection) -> list[date]:
    """The months that have a partition with records in it, oldest first."""
    names = connection.execute(
        text("""SELECT right(relname, 7) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
                WHERE inhparent = 'usage_records'::regclass ORDER BY relname""")
    ).scalars()
    months = [date(int(name[:4]), int(name[5:]), 1) for name in names]
    return [month for month in months if _has_records(connection, month)]


def _has_records(connection: Connection, month: date) -> bool:
    return bool(
        connection.execute(
            text(f"SELECT EXISTS (SELECT FROM {IN_MONTH})"), {"month": month}
        ).scalar()
    )


# The records of a month, as a FROM clause that asks for `:month`.
IN_MONTH = """usage_records WHERE usage_at >= CAST(:month AS date)::timestamp AT TIME ZONE 'UTC'
    AND usage_at < (CAST(:month AS date) + interval '1 month') AT TIME ZONE 'UTC'"""


def what_keeps(connection: Connection, month: date) -> list[str]:
    """Why the month cannot be archived yet, in sentences: whatever of its days is not billed."""
    first, last = connection.execute(
        text(f"SELECT min(usage_date), max(usage_date) FROM {IN_MONTH}"),
        {"month": month},
    ).one()
    return closing.what_is_open(connection, Period(first, last + ONE_DAY)) if first else []


def sums(connection: Connection, month: date) -> list[dict[str, Any]]:
    """What the month's records come to, per batch and day."""
    found = connection.execute(
        text(f"""SELECT batch_id, usage_date, source_id, sum(record_count) AS record_count, sum(quantity) AS quantity,
                    sum(cost) AS cost, sum(residual) AS residual, count(*) AS rows
                FROM {IN_MONTH} GROUP BY batch_id, usage_date, source_id"""),
        {"month": month},
    )
    return [dict(row) for row in found.mappings()]


def lock_sources(connection: Connection) -> None:
    """Keep every sync from loading until the transaction ends."""
    connection.execute(text("SELECT FROM usage_sources ORDER BY source_id FOR UPDATE"))


def keep(
    connection: Connection,
    month: date,
    form: str,
    files: Sequence[Publication],
    summed: Sequence[dict[str, Any]],
    digest: str,
    actor: str,
) -> int:
    """Note that the month lies in these files, and drop its partition; how many records that were.

    Postgres refuses where anything came in that the files do not hold.
    """
    count: int = sum(row["rows"] for row in summed)
    described = json.dumps([[file.uri, file.bytes, file.sha256] for file in files])
    connection.execute(
        text("""INSERT INTO usage_archives (month, state, form, files, record_count, digest, archived_by)
                VALUES (:month, 'archived', :form, CAST(:files AS jsonb), :count, :digest, :actor)
                ON CONFLICT (month) DO UPDATE SET state = 'archived', form = :form, files = CAST(:files AS jsonb),
                    record_count = :count, digest = :digest, archived_at = now(), archived_by = :actor"""),
        {
            "month": month,
            "form": form,
            "files": described,
            "count": count,
            "digest": digest,
            "actor": actor,
        },
    )
    connection.execute(
        text("""INSERT INTO archived_usage
                    (month, batch_id, usage_date, source_id, record_count, quantity, cost, residual)
                VALUES (:month, :batch_id, :usage_date, :source_id, :record_count, :quantity, :cost, :residual)"""),
        [{"month": month, **row} for row in summed],
    )
    connection.execute(text("SELECT drop_archived_partition(:month)"), {"month": month})
    after = {"form": form, "records": count, "files": len(files), "digest": digest}
    _tell(connection, actor, "usage.archived", month, after)
    return count


def restored(connection: Connection, archive: Archive, digest: str, actor: str) -> None:
    """Note that the month's records are back. Raises Refused, so that nothing is, where they say something else."""
    if digest != archive.digest:
        raise Refused(
            "archive_differs",
            f"the files of {archive.month:%Y-%m} do not hold what was archived (digest {digest[:12]}, not "
            f"{archive.digest[:12]}); nothing was restored: restore the files from a backup first",
        )
    connection.execute(
        text("DELETE FROM archived_usage WHERE month = :month"), {"month": archive.month}
    )
    connection.execute(
        text("""UPDATE usage_archives SET state = 'restored', restored_at = now(), restored_by = :actor
                WHERE month = :month"""),
        {"month": archive.month, "actor": actor},
    )
    _tell(connection, actor, "usage.restored", archive.month, {"records": archive.record_count})


def _tell(
    connection: Connection, actor: str, action: str, month: date, after: dict[str, Any]
) -> None:
    audit.append(connection, audit.Entry(actor, action, "usage", f"{month:%Y-%m}", None, after))


def totals(summed: Sequence[dict[str, Any]]) -> tuple[int, Decimal]:
    """How many records, and what they cost."""
    return sum(row["rows"] for row in summed), sum((row["cost"] for row in summed), Decimal(0))
