"""Proof that the books tie out: every invariant, run as SQL, naming what breaks it.

Owns running them and telling of what they find. What they say is in `ledger.invariants`. Call it in a
`database.snapshot()`, so that all of them look at the same moment.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from chargeback import money, numbering
from chargeback.documents.file_store import FileStore
from chargeback.errors import ChargebackError, Invalid
from chargeback.invoice_status import TRANSITIONS
from chargeback.ledger.invariants import audit_chain, claims, documents, pools, usage
from chargeback.ledger.invariants.invariant import Invariant
from chargeback.numbering import Series
from chargeback.periods import Period
from models.enums import InvoiceStatus

MOST_SHOWN = 20
FILES_HELD = Invariant(13, "every published file is there with its size and hash")
INVARIANTS = (
    usage.FACTS_ONCE,
    usage.BATCHES_WHOLE,
    pools.POOLS_BORNE,
    pools.CELLS_POOLED_ONCE,
    pools.DAYS_BORNE,
    claims.CLAIMED_ONCE,
    documents.TOTALS_ADD_UP,
    documents.NUMBERS_GAPLESS,
    documents.CONTENT_UNCHANGED,
    documents.HISTORY_ALLOWED,
    audit_chain.CHAIN_UNBROKEN,
    documents.AMOUNTS_FINITE,
    FILES_HELD,
    usage.RECONCILED,
)


@dataclass(frozen=True)
class Broken:
    """One thing that breaks an invariant; `sentence` names it with its ids and amounts.

    Of each kind the first 20 are told, and how many more there are.
    """

    invariant: int
    name: str
    sentence: str


@dataclass(frozen=True)
class Reach:
    """What a verification looks at: the days of a period and the documents that touch them, or everything.

    `documents` are their ids, None for all; the counts say how much there is and how much was left out.
    """

    period: Period | None
    documents: tuple[int, ...] | None
    days: int
    skipped_days: int
    documents_count: int
    skipped_documents: int

    def __str__(self) -> str:
        return (
            f"{self.days} days and {self.documents_count} documents looked at, "
            f"{self.skipped_days} days and {self.skipped_documents} documents skipped"
        )


def verify(
    connection: Connection,
    period: Period | None = None,
    files: FileStore | None = None,
    say: Callable[[str, int, int], None] | None = None,
) -> list[Broken]:
    """Whatever breaks an invariant; an empty list means that the books tie out.

    With a period only its days and the documents that touch them are looked at (`reach` tells of the
    rest); numbers, the audit chain and the finiteness of amounts are looked at whole. Without `files`
    published files are not compared. `say` hears the name of each invariant, how many are done and of how many.
    """
    values = _values(connection, reach(connection, period))
    # Grouping a month of records in memory takes half the time that it takes on disk.
    connection.execute(text("SET LOCAL work_mem = '128MB'"))
    # Comparing files takes as long as it takes, and the snapshot holds no lock that others wait for.
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    broken: list[Broken] = []
    for done, invariant in enumerate(INVARIANTS):
        if say:
            say(invariant.name, done, len(INVARIANTS))
        for query in invariant.queries:
            broken += _told(invariant, *_found(connection, query, values))
        if invariant is documents.NUMBERS_GAPLESS:
            broken += _told(invariant, *_first(_missing_numbers(connection)))
        if invariant is FILES_HELD and files is not None:
            broken += _told(invariant, *_first(_missing_files(connection, files, values)))
    return broken


def reach(connection: Connection, period: Period | None) -> Reach:
    """How far a verification of the period goes: days with usage, documents, and what of them is left out."""
    days, all_days = connection.execute(
        text("""SELECT count(*) FILTER (WHERE usage_date >= :start AND usage_date < :end), count(*)
                FROM (SELECT DISTINCT usage_date FROM usage_cells) d"""),
        {
            "start": period.start if period else "-infinity",
            "end": period.end if period else "infinity",
        },
    ).one()
    all_documents: int = connection.execute(text("SELECT count(*) FROM invoices")).scalar_one()
    if period is None:
        return Reach(None, None, days, 0, all_documents, 0)
    touching = tuple(
        connection.execute(_TOUCHING, {"start": period.start, "end": period.end}).scalars()
    )
    return Reach(
        period, touching, days, all_days - days, len(touching), all_documents - len(touching)
    )


# A document touches a period that its own overlaps, or of which it claims an allocation (late usage).
_TOUCHING = text("""
    WITH claiming AS (
        SELECT DISTINCT l.invoice_id FROM cost_pools p JOIN allocations a USING (pool_id)
        JOIN line_allocations USING (allocation_id) JOIN invoice_lines l USING (line_id)
        WHERE p.usage_date >= :start AND p.usage_date < :end)
    SELECT invoice_id FROM invoices WHERE (period_start < :end AND period_end > :start)
        OR invoice_id IN (SELECT invoice_id FROM claiming)
        OR credits_invoice_id IN (SELECT invoice_id FROM claiming)
    ORDER BY invoice_id
""")


def _values(connection: Connection, asked: Reach) -> dict[str, Any]:
    """What the queries may use."""
    period = asked.period
    statuses = [f"invoice.{status.value}" for status in InvoiceStatus]
    return {
        "start": period.start.isoformat() if period else "-infinity",
        "end": period.end.isoformat() if period else "infinity",
        "label": period.label if period else None,
        "documents": None if asked.documents is None else list(asked.documents),
        "minor_digits": json.dumps(_minor_digits(connection)),
        "moves": [f"{a.value}>{b.value}" for a, targets in TRANSITIONS.items() for b in targets],
        "actions": ["invoice.drafted", "invoice.refreshed", "credit_note.made", *statuses],
    }


def _minor_digits(connection: Connection) -> dict[str, int]:
    """The decimals of each currency that documents are in; one that does not exist has none (12 tells of it)."""
    digits = {}
    for currency in connection.execute(text("SELECT DISTINCT currency FROM invoices")).scalars():
        try:
            digits[currency] = money.minor_digits(currency)
        except Invalid:
            continue
    return digits


def _found(connection: Connection, query: str, values: dict[str, Any]) -> tuple[list[str], int]:
    """The first sentences of a query, and how many there are."""
    rows = connection.execute(
        text(f"""SELECT sentence, count(*) OVER () AS found FROM ({query}) broken
                 ORDER BY sentence COLLATE "C" LIMIT {MOST_SHOWN}"""),  # noqa: S608
        values,
    ).all()
    return [row.sentence for row in rows], rows[0].found if rows else 0


def _first(sentences: Iterator[str]) -> tuple[list[str], int]:
    shown, found = [], 0
    for found, sentence in enumerate(sentences, 1):
        if found <= MOST_SHOWN:
            shown.append(sentence)
    return shown, found


def _told(invariant: Invariant, sentences: list[str], found: int) -> Iterator[Broken]:
    more = [f"and {found - len(sentences)} more like these"] if found > len(sentences) else []
    for sentence in sentences + more:
        yield Broken(invariant.number, invariant.name, sentence)


def _missing_numbers(connection: Connection) -> Iterator[str]:
    """Places of a series that no document has, nor a number given by hand, which counts as taken."""
    given = (
        connection.execute(text("SELECT number FROM invoices WHERE series IS NULL")).scalars().all()
    )
    taken = {
        (series, numbering.ordinal_in(series, number)) for series in Series for number in given
    }
    for series, place in connection.execute(text(documents.MISSING_PLACES)):
        if (series, place) not in taken:
            yield f"no document has place {place} of series {series}, which its counter gave away"


_PUBLISHED = text("""
    SELECT d.kind, d.subject, d.uri, d.bytes, d.sha256 FROM documents d
    WHERE CAST(:documents AS bigint[]) IS NULL
       OR CASE WHEN d.kind = 'invoice'
               THEN d.subject IN (SELECT number FROM invoices WHERE invoice_id = ANY (CAST(:documents AS bigint[])))
               ELSE d.subject = :label OR right(d.subject, length(:label) + 1) = ' ' || :label END
    ORDER BY d.document_id
""")


def _missing_files(
    connection: Connection, files: FileStore, values: dict[str, Any]
) -> Iterator[str]:
    """Published files that are gone, or are not what they were when they were published."""
    for kind, subject, uri, size_bytes, sha256 in connection.execute(_PUBLISHED, values):
        try:
            is_held = files.matches(uri, size_bytes, sha256)
        except ChargebackError as error:
            yield f"the {kind} of {subject} cannot be compared: {error.message}"
            continue
        if not is_held:
            yield f"the {kind} of {subject} is not in {files.path(uri)} with {size_bytes} bytes and SHA-256 {sha256}"
