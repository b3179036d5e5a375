"""Back from a usage record to every line of every document that bears a part of it.

Reads the views `seen_*`, in which every role finds what it may see: a viewer finds its team's records, and of
those who bear them its own team. What bears nothing on a document yet is told too.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.errors import Invalid, NotFound
from chargeback.identity import public_id
from chargeback.ledger.invoices import plain
from chargeback.ledger.pool_shares import load_pools
from chargeback.ledger.usage_reading import Record, described
from chargeback.lineage import Bearer, borne
from models.enums import InvoiceStatus


@dataclass(frozen=True)
class RecordExplained:
    """A usage record in all its revisions, and who bears them.

    `cost` is what the revisions come to: 0 for one that was withdrawn. The current parts, without those that are
    on no document because they lie in no pool yet (`unallocated`), add up to it for whoever sees all of them.
    """

    revisions: tuple[Record, ...]
    cost: Decimal
    unallocated: Decimal
    bearers: tuple[Bearer, ...]


# By the cells that may hold them: asked for the record alone, the view would look at all cells there are.
_REVISIONS = text("""
    SELECT cell_id, usage_id AS record_id, revision, external_id, source_id, usage_at, team_id, user_id, agent_id,
        account_id, resource_type, unit, quantity, cost, record_count, batch_id
    FROM seen_records WHERE cell_id = ANY (CAST(:cells AS bigint[])) AND usage_id = ANY (CAST(:ids AS uuid[]))
    UNION ALL
    SELECT NULL, usage_id, revision, external_id, source_id, usage_at, team_id, user_id, agent_id,
        account_id, resource_type, unit, quantity, cost, record_count, NULL
    FROM seen_open_records WHERE usage_id = ANY (CAST(:ids AS uuid[]))
    ORDER BY record_id, revision
""")


def find(connection: Connection, given: str, source: str | None = None) -> UUID:
    """The record that a person names by the ledger's id of it, or by the id its source gave it.

    Raises NotFound, and Invalid where several sources know such an id and `source` does not say which is meant.
    """
    names = connection.execute(text("SELECT name FROM seen_sources ORDER BY name")).scalars()
    ids = {public_id("usage", name, given): name for name in names if source in (None, name)}
    own = _as_id(given)
    asked = [*ids, *([own] if own and own not in ids else [])]
    found = sorted({row.record_id for row in _revisions(connection, asked)})
    if len(found) > 1:
        sources = ", ".join(ids.get(one, "the ledger itself") for one in found)
        raise Invalid(
            "usage_ambiguous",
            f"usage {given[:80]!r} is in several sources ({sources}); say which is meant",
        )
    if not found:
        raise not_found(given)
    return UUID(str(found[0]))


def _revisions(connection: Connection, ids: Sequence[UUID]) -> Sequence[Any]:
    written = [str(one) for one in ids]
    cells = connection.execute(
        text("SELECT cells_of_usage(CAST(:ids AS uuid[]))"), {"ids": written}
    ).scalars()
    return connection.execute(_REVISIONS, {"ids": written, "cells": list(cells)}).all()


def not_found(given: str) -> NotFound:
    """The one answer for a record that is not there, whyever."""
    return NotFound(
        "usage_not_found",
        f"there is no usage {given[:80]!r}; give the id that its source knows it by, or its record_id",
    )


def _as_id(given: str) -> UUID | None:
    try:
        return UUID(given)
    except ValueError:
        return None


def bearers(connection: Connection, usage_id: UUID) -> RecordExplained:
    """Who bears the record, revision by revision. Raises NotFound for a record that is not there."""
    rows = _revisions(connection, [usage_id])
    if not rows:
        raise not_found(str(usage_id))
    places = _places(connection, rows)
    pools = load_pools(connection, {place.pool_id for place in places})
    parts: list[tuple[int, int, int]] = []
    for place in places:
        shared = borne(money.units(place.cost), place.pool_id, place.user_id, pools)
        parts += [(place.revision, one, units) for one, units in shared.items()]
    placed = {place.revision for place in places}
    return RecordExplained(
        tuple(described(connection, rows)),
        plain(money.exact_sum(row.cost for row in rows)),
        plain(money.exact_sum(row.cost for row in rows if row.revision not in placed)),
        tuple(_bearers(connection, parts)),
    )


class _Place(NamedTuple):
    """Where a revision lies: the pool that holds its cell, with the cost that counts there."""

    revision: int
    pool_id: int
    user_id: str | None
    cost: Decimal


# The cell of a revision, and what reallocations made of it: each took the newest that stands for it back (-1) and
# booked it anew (1), unless the record had been taken back before.
_CELLS = text("""
    WITH RECURSIVE stood AS (
        SELECT r.revision, r.cell_id, 1 AS sign, r.taken_by
        FROM jsonb_to_recordset(CAST(:revisions AS jsonb)) AS r (revision integer, cell_id bigint, taken_by bigint)
        UNION ALL
        SELECT s.revision, c.cell_id, CASE WHEN c.reverses_cell_id IS NULL THEN 1 ELSE -1 END, s.taken_by
        FROM stood s JOIN usage_cells c ON c.reverses_cell_id = s.cell_id OR c.replaces_cell_id = s.cell_id
        WHERE s.sign = 1 AND c.reallocation_id IS NOT NULL AND (s.taken_by IS NULL OR c.batch_id < s.taken_by))
    SELECT s.revision, s.sign, h.pool_id, h.user_id
    FROM stood s JOIN (SELECT cell_id, pool_id, user_id FROM pool_cells
                       UNION ALL SELECT cell_id, pool_id, user_id FROM retired_pool_cells) h USING (cell_id)
    ORDER BY s.revision, h.pool_id, s.sign
""")


def _places(connection: Connection, rows: Sequence[Any]) -> list[_Place]:
    """Every pool, retired ones too, in which a revision counts."""
    taken_by = {row.revision - 1: row.batch_id for row in rows if row.record_count < 0}
    cost = {row.revision: row.cost for row in rows}
    revisions = [
        {"revision": row.revision, "cell_id": row.cell_id, "taken_by": taken_by.get(row.revision)}
        for row in rows
        if row.cell_id is not None
    ]
    found = connection.execute(_CELLS, {"revisions": json.dumps(revisions)})
    return [
        _Place(
            row.revision, row.pool_id, row.user_id,
            cost[row.revision] if row.sign > 0 else cost[row.revision].copy_negate(),
        )
        for row in found
    ]  # fmt: skip


# The lines that claim or once claimed an allocation; of a cancelled invoice its credit note's line of that position
# too. What is borne and on no standing document stands for itself; where a cancelled one keeps it, it is written off.
_LINES = text("""
    WITH claims AS (
        SELECT k.allocation_id, l.position, l.description, l.invoice_id, i.number, i.status,
            i.status = 'cancelled' AS is_cancelled, k.released_by_line_id IS NULL AS is_held
        FROM line_allocations k JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
        WHERE k.allocation_id = ANY (CAST(:allocations AS bigint[]))),
    shares AS MATERIALIZED (SELECT * FROM seen_shares WHERE allocation_id = ANY (CAST(:allocations AS bigint[]))),
    found AS (
        SELECT allocation_id, invoice_id, number, position, description, status, false AS is_credit,
            NOT is_cancelled AS is_current, false AS is_kept FROM claims
        UNION ALL
        SELECT c.allocation_id, n.invoice_id, n.number, l.position, l.description, n.status, true, false, false
        FROM claims c JOIN invoices n ON n.credits_invoice_id = c.invoice_id
        JOIN invoice_lines l ON l.invoice_id = n.invoice_id AND l.position = c.position
        UNION ALL
        SELECT s.allocation_id, NULL, NULL, NULL, NULL, NULL, false, true,
            EXISTS (SELECT FROM claims c WHERE c.allocation_id = s.allocation_id AND c.is_held AND c.is_cancelled)
        FROM shares s WHERE NOT s.is_retired
          AND NOT EXISTS (
            SELECT FROM claims c WHERE c.allocation_id = s.allocation_id AND c.is_held AND NOT c.is_cancelled)
          AND NOT EXISTS (SELECT FROM seen_taken t WHERE t.allocation_id = s.allocation_id AND t.is_now))
    SELECT s.allocation_id, s.rule_id, s.rule_version, s.rule_type, s.team_id, s.user_id,
        s.is_written_off OR f.is_kept AS is_written_off,
        CASE WHEN s.reallocation_id IS NOT NULL THEN 'reallocation' WHEN s.kind = 'usage' THEN 'usage'
             ELSE 'correction' END AS cause,
        f.number, f.position, f.description, f.status, f.is_credit, f.is_current
    FROM shares s JOIN found f USING (allocation_id)
    ORDER BY f.invoice_id NULLS LAST, f.position, s.allocation_id
""")


def _bearers(connection: Connection, parts: Sequence[tuple[int, int, int]]) -> list[Bearer]:
    lines: dict[int, list[Any]] = {}
    asked = {"allocations": sorted({allocation_id for _, allocation_id, _ in parts})}
    order: dict[tuple[int, str | None, int | None], int] = {}
    for place, row in enumerate(connection.execute(_LINES, asked)):
        lines.setdefault(row.allocation_id, []).append(row)
        order[row.allocation_id, row.number, row.position] = place
    found = [
        _bearer(revision, units, line)
        for revision, allocation_id, units in parts
        for line in lines.get(allocation_id, ())
    ]
    return sorted(
        found, key=lambda one: (one.revision, order[one.allocation_id, one.number, one.position])
    )


def _bearer(revision: int, units: int, row: Any) -> Bearer:
    return Bearer(
        row.allocation_id, revision, row.rule_id, row.rule_version, row.rule_type, row.team_id, row.user_id,
        "credit" if row.is_credit else row.cause, plain(money.amount(-units if row.is_credit else units)),
        row.number, row.position, row.description, InvoiceStatus(row.status) if row.status else None,
        row.is_current, row.is_written_off,
    )  # fmt: skip
