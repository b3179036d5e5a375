"""Lines of documents explained: which rule versions, pools and allocations they come from.

Reads the views `seen_*`, in which every role finds what it may see. The usage behind a line is `line_usage`'s.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.errors import NotFound
from chargeback.ledger.invoices import line_of, plain
from chargeback.lineage import AllocationExplained, CameFrom, LineExplained, RulePart
from models.enums import DocumentKind, InvoiceStatus

# A credit note's line claims nothing itself: it takes back what the credited invoice's line of its position claimed.
CLAIMING = """
    SELECT l.line_id, k.line_id AS claiming_id, i.invoice_id, i.number, i.kind AS document, i.status, i.currency,
        c.number AS credits_number, i.kind = 'credit_note' AS is_credit
    FROM invoice_lines l JOIN invoices i USING (invoice_id) LEFT JOIN invoices c ON c.invoice_id = i.credits_invoice_id
    JOIN invoice_lines k ON k.invoice_id = coalesce(i.credits_invoice_id, i.invoice_id) AND k.position = l.position
    WHERE i.invoice_id = ANY (CAST(:invoices AS bigint[]))
      AND (CAST(:position AS integer) IS NULL OR l.position = :position)
"""
_LINES = text(f"""
    SELECT q.*, l.position, l.kind, l.late_month, l.cause, l.description, l.resource_type, l.unit, l.quantity,
        l.exact_amount, l.amount
    FROM ({CLAIMING}) q JOIN invoice_lines l USING (line_id) ORDER BY q.invoice_id, l.position
""")  # noqa: S608 - made of constants only

# A line may claim several shares of a pool; what is the pool's own is counted at the first of them.
_RULES = text("""
    WITH shares AS (
        SELECT k.line_id, s.pool_id, s.rule_id, s.rule_version, s.rule_name, s.rule_type, s.stage, s.source, s.kind,
            s.is_divided, s.reallocation_id IS NOT NULL AS is_reallocated, s.usage_date, s.pool_cost, s.remark,
            s.cost, s.quantity, row_number() OVER (PARTITION BY k.line_id, s.pool_id) = 1 AS is_first
        FROM line_allocations k JOIN seen_shares s USING (allocation_id)
        WHERE k.line_id = ANY (CAST(:lines AS bigint[])))
    SELECT line_id, rule_id, rule_version, rule_name, rule_type, stage, source, kind, is_divided, is_reallocated,
        min(usage_date) AS first_day, max(usage_date) AS last_day, count(*) FILTER (WHERE is_first) AS pools,
        count(*) AS allocations, sum(pool_cost) FILTER (WHERE is_first) AS pool_cost, sum(cost) AS cost,
        sum(quantity) AS quantity, array_agg(remark) FILTER (WHERE is_first AND remark IS NOT NULL) AS remarks,
        array_agg(pool_id) FILTER (WHERE is_first AND stage > 1) AS passed_on
    FROM shares GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    ORDER BY line_id, kind = 'usage' DESC, rule_id COLLATE "C", rule_version, source COLLATE "C", kind COLLATE "C"
""")
_CAME_FROM = text("""
    SELECT t.pool_id, s.rule_id, s.rule_version, s.team_id, sum(s.cost) AS cost
    FROM seen_taken t JOIN seen_shares s ON s.allocation_id = t.allocation_id
    WHERE t.pool_id = ANY (CAST(:pools AS bigint[])) GROUP BY 1, 2, 3, 4
""")


def lines(
    connection: Connection, invoice_ids: Sequence[int], position: int | None = None
) -> list[LineExplained]:
    """The lines of these documents, or the one at `position` of each, with the rules they come from."""
    asked = {"invoices": list(invoice_ids), "position": position}
    rows = connection.execute(_LINES, asked).all()
    claiming = sorted({row.claiming_id for row in rows})
    parts: dict[int, list[Any]] = {}
    for part in connection.execute(_RULES, {"lines": claiming}):
        parts.setdefault(part.line_id, []).append(part)
    given = _given(connection, (part for found in parts.values() for part in found))
    return [_line(row, parts.get(row.claiming_id, ()), given) for row in rows]


def line(connection: Connection, invoice_id: int, position: int) -> LineExplained:
    """One line. Raises NotFound where the document has no such line."""
    if 1 <= position < 2**31:
        for found in lines(connection, [invoice_id], position):
            return found
    raise NotFound(
        "line_not_found", f"the document has no line {position}; look at it whole to see its lines"
    )


def _given(connection: Connection, parts: Iterable[Any]) -> dict[int, list[Any]]:
    """What earlier stages gave the pools of later ones, by pool."""
    pools = sorted({pool for part in parts for pool in part.passed_on or ()})
    found: dict[int, list[Any]] = {}
    if pools:
        for row in connection.execute(_CAME_FROM, {"pools": pools}):
            found.setdefault(row.pool_id, []).append(row)
    return found


def _line(row: Any, parts: Sequence[Any], given: dict[int, list[Any]]) -> LineExplained:
    return LineExplained(
        row.number, DocumentKind(row.document), InvoiceStatus(row.status), row.currency, row.credits_number,
        line_of(row), row.late_month, tuple(_part(part, row.is_credit, given) for part in parts),
    )  # fmt: skip


def _part(row: Any, is_credit: bool, given: dict[int, list[Any]]) -> RulePart:
    return RulePart(
        row.rule_id, row.rule_version, row.rule_name, row.rule_type, row.stage, row.source, row.kind,
        row.is_divided, row.is_reallocated, row.first_day, row.last_day, row.pools, row.allocations,
        None if row.pool_cost is None else plain(row.pool_cost), signed(row.cost, is_credit),
        signed(row.quantity, is_credit), tuple(sorted(set(row.remarks or ()))), _came_from(row.passed_on or (), given),
    )  # fmt: skip


def _came_from(pools: Sequence[int], given: dict[int, list[Any]]) -> tuple[CameFrom, ...]:
    sums: dict[tuple[str, int, str | None], Decimal] = {}
    for row in (row for pool in pools for row in given.get(pool, ())):
        key = (row.rule_id, row.rule_version, row.team_id)
        sums[key] = money.EXACT.add(sums.get(key, Decimal(0)), row.cost)
    return tuple(
        CameFrom(*key, plain(cost))
        for key, cost in sorted(sums.items(), key=lambda one: str(one[0]))
    )


_SHARE = """s.allocation_id, s.usage_date, s.source, s.rule_id, s.rule_version, s.rule_type, s.kind, s.team_id,
    s.user_id, s.resource_type, s.unit, s.cost, s.quantity, s.weight, s.pool_cost, s.remark"""
_OF_LINE = text(f"""
    SELECT {_SHARE} FROM line_allocations k JOIN seen_shares s USING (allocation_id)
    WHERE k.line_id = :line AND k.allocation_id > :after ORDER BY k.allocation_id LIMIT :most
""")  # noqa: S608 - made of constants only
_ONE = text(f"SELECT {_SHARE} FROM seen_shares s WHERE s.allocation_id = :id")  # noqa: S608 - made of constants only
_CLAIMED_BY = text("""
    SELECT i.number, l.position FROM line_allocations k JOIN invoice_lines l USING (line_id)
    JOIN invoices i USING (invoice_id) WHERE k.allocation_id = :id ORDER BY i.invoice_id
""")


def allocations(
    connection: Connection, invoice_id: int, position: int, after: int, most: int
) -> list[AllocationExplained]:
    """The allocations that a line claims, or a credit note's line takes back, after the one with the id `after`."""
    row = claiming(connection, invoice_id, position)
    rows = connection.execute(_OF_LINE, {"line": row.claiming_id, "after": after, "most": most})
    return [_allocation(one, row.is_credit) for one in rows]


def claiming(connection: Connection, invoice_id: int, position: int) -> Any:
    """The row of `CLAIMING` of one line. Raises NotFound where there is none."""
    asked = {"invoices": [invoice_id], "position": position}
    for row in connection.execute(text(CLAIMING), asked) if 1 <= position < 2**31 else ():
        return row
    raise NotFound(
        "line_not_found", f"the document has no line {position}; look at it whole to see its lines"
    )


def allocation(connection: Connection, allocation_id: int) -> AllocationExplained | None:
    """One allocation and the lines that claimed it; None where there is none."""
    row = connection.execute(_ONE, {"id": allocation_id}).one_or_none()
    if row is None:
        return None
    claimed = connection.execute(_CLAIMED_BY, {"id": allocation_id})
    return _allocation(row, False, tuple((one.number, one.position) for one in claimed))


def _allocation(
    row: Any, is_credit: bool, claimed: tuple[tuple[str, int], ...] = ()
) -> AllocationExplained:
    return AllocationExplained(
        row.allocation_id, row.usage_date, row.source, row.rule_id, row.rule_version, row.rule_type, row.kind,
        row.team_id, row.user_id, row.resource_type, row.unit, signed(row.cost, is_credit),
        signed(row.quantity, is_credit), None if row.weight is None else plain(row.weight),
        None if row.pool_cost is None else plain(row.pool_cost),
        row.remark, claimed,
    )  # fmt: skip


def signed(amount: Decimal, is_credit: bool) -> Decimal:
    """The amount as a line shows it: a credit note takes back."""
    return plain(amount.copy_negate() if is_credit else amount)
