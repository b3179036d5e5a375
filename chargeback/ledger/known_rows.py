"""Rows of a snapshot that were read before: told by a fingerprint, taken from what the ledger holds.

Providers deliver a month again and again, and almost every row of it is the same text. Such a row is not read
again: what it says stands in the record that it became. Owns which fingerprints are known, and what they say.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import Connection, text

from chargeback.errors import Unavailable
from chargeback.ledger.snapshot_rows import scope_number
from chargeback.ledger.snapshots import FACTS
from chargeback.sources.contract import Scope


@dataclass(frozen=True)
class KnownRows:
    """The fingerprints of rows that a source delivered, sorted, and the scopes these are held of, by id."""

    fingerprints: "array[int]" = field(default_factory=lambda: array("q"))
    scopes: Mapping[int, Scope] = field(default_factory=dict)


# Of the newest two billing periods: older ones are hardly ever delivered again, and would be too many to know.
_SCOPES = text("""
    SELECT scope_id, period_start, period_end, account FROM usage_scopes
    WHERE source_id = :source_id AND period_start >= (
        SELECT max(period_start) FROM usage_scopes WHERE source_id = :source_id) - interval '1 month'
    ORDER BY scope_id
""")
# Rows that were written alike are counted, so each is read; nothing says which of them one is.
_OF_SCOPES = """
    FROM usage_records WHERE scope_id = ANY (:scopes) AND record_count = 1 AND fingerprint IS NOT NULL
      AND usage_at >= :start AND usage_at < :end
"""
_FINGERPRINTS = text(
    f"SELECT fingerprint {_OF_SCOPES} GROUP BY fingerprint HAVING count(*) = 1 ORDER BY fingerprint"
)
_STAGE = text(f"""
    INSERT INTO delivered (scope_no, position, content_hash, residual, fingerprint, {FACTS})
    SELECT n.scope_no, k.position, r.content_hash, r.residual, r.fingerprint, {FACTS}
    FROM known k
    JOIN (SELECT scope_id, content_hash, residual, fingerprint, {FACTS} {_OF_SCOPES}) r USING (fingerprint)
    JOIN unnest(CAST(:scopes AS bigint[]), CAST(:numbers AS bigint[])) n (scope_id, scope_no) USING (scope_id)
""")  # noqa: S608 - made of constants only


def known_rows(connection: Connection, source_id: int) -> KnownRows:
    """What need not be read again of the source's newest billing periods. Units: 8 bytes per row."""
    scopes = {
        found.scope_id: Scope(found.period_start, found.period_end, found.account)
        for found in connection.execute(_SCOPES, {"source_id": source_id})
    }
    if not scopes:
        return KnownRows()
    found = connection.execute(
        _FINGERPRINTS, _reach(scopes), execution_options={"yield_per": 50_000}
    )
    return KnownRows(array("q", found.scalars()), scopes)


def stage_known(
    connection: Connection, known: KnownRows, read: Mapping[int, Scope]
) -> dict[int, Scope]:
    """Put the rows in `known` into `delivered`, as the ledger holds them; the delivery's scopes by number then.

    `read` are those of rows that were read. Raises Unavailable where a row is not held any more.
    """
    count: int = connection.execute(text("SELECT count(*) FROM known")).scalar_one()
    if not count:
        return dict(read)
    of_ids = [scope_number(scope) for scope in known.scopes.values()]
    all_scopes = dict(zip(of_ids, known.scopes.values(), strict=True)) | dict(read)
    connection.execute(text("ANALYZE pg_temp.known"))
    connection.execute(text("SET LOCAL enable_nestloop = off"))
    staged = connection.execute(_STAGE, {**_reach(known.scopes), "numbers": of_ids}).rowcount
    if staged != count:
        raise Unavailable(
            "known_rows_gone",
            f"{count - staged} rows that were read before are not held any more; sync again",
        )
    named = connection.execute(text("SELECT DISTINCT scope_no FROM delivered")).scalars()
    return {number: all_scopes[number] for number in {*read, *named}}


def _reach(scopes: Mapping[int, Scope]) -> dict[str, object]:
    day = timedelta(days=1)
    start = max(min(scope.start for scope in scopes.values()), date.min + day) - day
    end = min(max(scope.end for scope in scopes.values()), date.max - day) + day
    return {"scopes": list(scopes), "start": start, "end": end}
