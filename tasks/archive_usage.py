"""Write old usage to files and drop its partition, or bring it back.

The files are safely in the store, and were read back, before the ledger lets go of anything.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from hashlib import sha256
from itertools import chain, islice
from typing import Any

from sqlalchemy import Connection

from chargeback import money
from chargeback.documents import archive_rows
from chargeback.documents.file_store import FileStore
from chargeback.errors import ChargebackError, Refused
from chargeback.ledger import archive_copies, archived_rows, archives, publications, usage
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.digest import month_digest
from chargeback.ledger.publications import Publication
from chargeback.ledger.staging import stage
from chargeback.settings import settings
from tasks.progress import Show, progress
from tasks.steps import step

# Some hundred megabytes in memory while a part is written.
RECORDS_PER_FILE = 500_000


class ArchiveDiffers(ChargebackError):
    """A bug, or a disk that lies: what was read back is not what was written. Nothing is dropped."""


@step("months older than {keep_months} months")
def old_months(keep_months: int, as_of: date) -> dict[str, Any]:
    """The months with usage records that lie before the last full `keep_months`, oldest first. Rerun: only reads."""
    number = as_of.year * 12 + as_of.month - 1 - keep_months
    first_kept = date(number // 12, number % 12 + 1, 1)
    with snapshot() as connection:
        months = [month for month in archives.partition_months(connection) if month < first_kept]
    return {"months": [f"{month:%Y-%m}" for month in months], "first_kept": f"{first_kept:%Y-%m}"}


@step("archive {month}")
def archive_month(month: str, form: str, actor: str) -> dict[str, Any]:
    """Write a month's usage records, allocations and invoices to files, then drop the records' partition.

    Rerun: files that are there are the same; a month that is in the archive has nothing left to write.
    What is not billed yet is not touched: the answer says what keeps it.
    """
    first = date.fromisoformat(f"{month}-01")
    store = FileStore(settings().files)
    with snapshot() as connection, progress("archive") as show:
        kept_by = archives.what_keeps(connection, first)
        summed = archives.sums(connection, first)
        if kept_by or not summed:
            return {"month": month, "records": 0, "files": 0, "kept_by": kept_by}
        count, cost = archives.totals(summed)
        files = _write_records(
            store, form, first, archived_rows.rows(connection, first), count, show
        )
        copies = _write_copies(connection, store, form, first)
        digest = month_digest(connection, first)
    _read_back(store, form, files, count, cost)
    with transaction() as connection:
        archives.lock_sources(connection)
        if kept_by := archives.what_keeps(connection, first):
            return {"month": month, "records": 0, "files": 0, "kept_by": kept_by}
        publications.keep(connection, [*files, *copies])
        archives.keep(connection, first, form, files, summed, digest, actor)
    return {"month": month, "records": count, "files": len(files) + len(copies), "kept_by": []}


def _write_records(
    store: FileStore,
    form: str,
    month: date,
    rows: Iterator[archived_rows.Values],
    count: int,
    show: Show,
) -> list[Publication]:
    files: list[Publication] = []
    for first in rows:
        part = chain([first], islice(rows, RECORDS_PER_FILE - 1))
        data = archive_rows.written(form, list(archived_rows.COLUMNS), part)
        place = len(files) + 1
        files.append(_put(store, form, month, f"usage-{place:04d}", f"usage {place}", data))
        show("records written", min(count, place * RECORDS_PER_FILE), count)
    return files


def _write_copies(
    connection: Connection, store: FileStore, form: str, month: date
) -> list[Publication]:
    """Allocations and documents stay in the ledger; whoever keeps the files finds beside the usage what it became."""
    return [
        _put(store, form, month, name, name, archive_rows.written(form, columns, rows))
        for name, columns, rows in archive_copies.copies(connection, month)
    ]


def _put(
    store: FileStore, form: str, month: date, stem: str, what: str, data: bytes
) -> Publication:
    mark = sha256(data).hexdigest()[:8]
    name = f"archive/{month:%Y-%m}/{stem}_{mark}.{archive_rows.SUFFIXES[form]}"
    put = store.publish(name, data)
    return Publication("archive", f"{what} {month:%Y-%m}", put.uri, put.bytes, put.sha256)


def _read_back(
    store: FileStore, form: str, files: list[Publication], count: int, cost: Decimal
) -> None:
    """Raises ArchiveDiffers unless the files hold as many records as there were, of the same cost."""
    place, read, summed = list(archived_rows.COLUMNS).index("cost"), 0, Decimal(0)
    for file in files:
        for row in archive_rows.read(form, _bytes(store, file)):
            read += 1
            summed = money.EXACT.add(summed, Decimal(row[place] or "0"))
    if (read, summed) != (count, cost):
        raise ArchiveDiffers(
            "archive_differs",
            f"the files hold {read} records of {summed}, not {count} of {cost}, so nothing was dropped; "
            "report this as a bug",
        )


def _bytes(store: FileStore, file: Publication) -> bytes:
    """A file of the archive, as it was written. Raises Refused where it is another."""
    data = store.read(file.uri)
    if sha256(data).hexdigest() != file.sha256:
        raise Refused(
            "archive_damaged",
            f"{store.path(file.uri)} is not the file that was archived; restore it from a backup, then run this again",
        )
    return data


@step("restore {month}")
def restore_month(month: str, actor: str) -> dict[str, Any]:
    """Bring a month's usage records back into their partition, whole or not at all.

    Rerun: a month that is back changes nothing. Raises NotFound, and Refused where the files are not what they were.
    """
    first = date.fromisoformat(f"{month}-01")
    store = FileStore(settings().files)
    with transaction() as connection:
        archive = archives.find(connection, first)
    if archive.state == "restored":
        return {"month": month, "records": 0, "files": 0}
    with transaction() as connection:
        usage.ensure_partition(connection, first)
    with transaction() as connection:
        archives.lock_sources(connection)
        archive = archives.find(connection, first)
        if archive.state == "restored":
            return {"month": month, "records": 0, "files": 0}
        booked = 0
        for file in archive.files:
            rows = archive_rows.read(archive.form, _bytes(store, file))
            stage(
                connection,
                "archived",
                ", ".join(f"{name} text" for name in archived_rows.COLUMNS),
                rows,
            )
            booked += archived_rows.insert_from(connection, "archived")
        archives.restored(connection, archive, month_digest(connection, first), actor)
    return {"month": month, "records": booked, "files": len(archive.files)}
