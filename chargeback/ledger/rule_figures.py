"""What each rule version that divides cost did in a period: what it took, who bears it, the usage behind it."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.ledger.invoices import plain
from chargeback.ledger.line_lineage import EXAMPLE_CELL, examples_of, used_cell
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.site_views import Borne, DayCost, RuleFigures
from models.enums import RuleType

MOST_PAYERS = 200
MOST_CELLS = 20
_CELLS_READ = 6

# Also what a line of the period bills of earlier days: late usage has its rule, too.
_IN = """p.split_digest IS NOT NULL AND (
    (p.usage_date >= :start AND p.usage_date < :end) OR p.pool_id = ANY (ARRAY(
        SELECT a.pool_id FROM invoices i JOIN invoice_lines l USING (invoice_id) JOIN line_allocations k USING (line_id)
        JOIN allocations a USING (allocation_id)
        WHERE i.period_start >= :start AND i.period_end <= :end AND l.kind = 'late')))"""
_VERSIONS = text(f"""
    SELECT rule_id, version FROM allocation_rules
    WHERE rule_key IN (SELECT p.rule_key FROM cost_pools p WHERE p.retired_at IS NULL AND {_IN}) ORDER BY rule_key
""")  # noqa: S608 - made of constants only
_DAYS = f"""
    SELECT p.rule_key, p.usage_date, p.resource_type, sum(p.cost) AS cost FROM cost_pools p
    WHERE p.retired_at IS NULL AND {_IN} GROUP BY 1, 2, 3 ORDER BY 1, 2, p.resource_type COLLATE "C"
"""  # noqa: S608 - made of constants only
_PAYERS = f"""
    SELECT * FROM (
        SELECT p.rule_key, a.team_id, a.user_id, sum(a.cost) AS cost, sum(a.quantity) AS quantity,
            row_number() OVER (PARTITION BY p.rule_key ORDER BY abs(sum(a.cost)) DESC,
                a.team_id COLLATE "C", a.user_id COLLATE "C") AS rank
        FROM cost_pools p JOIN allocations a USING (pool_id) WHERE p.retired_at IS NULL AND {_IN}
        GROUP BY 1, 2, 3) ranked WHERE rank <= {MOST_PAYERS} ORDER BY rule_key, rank
"""  # noqa: S608 - made of constants only
_CELLS = f"""
    WITH added AS (
        SELECT p.rule_key, c.source_id, c.agent_id, c.sku, h.user_id, min(c.usage_date) AS first,
            max(c.usage_date) AS last, sum(c.record_count) AS records, sum(c.quantity) AS quantity, sum(c.cost) AS cost,
            {EXAMPLE_CELL} AS cell_id
        FROM cost_pools p JOIN pool_cells h USING (pool_id) JOIN usage_cells c USING (cell_id)
        WHERE p.retired_at IS NULL AND {_IN} GROUP BY 1, 2, 3, 4, 5),
    ranked AS (
        SELECT *, row_number() OVER (PARTITION BY rule_key ORDER BY abs(cost) DESC, source_id,
            agent_id COLLATE "C", sku COLLATE "C", user_id COLLATE "C") AS rank,
            count(*) OVER (PARTITION BY rule_key) AS cell_count FROM added)
    SELECT r.*, s.name FROM ranked r JOIN usage_sources s USING (source_id) WHERE rank <= {MOST_CELLS}
    ORDER BY rule_key, rank
"""  # noqa: S608 - made of constants only


def rule_versions(connection: Connection, period: Period) -> list[tuple[str, int]]:
    """The id and version of each rule that divided cost which is borne or billed for the period: they have pages."""
    asked = {"start": period.start, "end": period.end}
    return [(row.rule_id, row.version) for row in connection.execute(_VERSIONS, asked)]


def rule_figures(connection: Connection, period: Period) -> list[RuleFigures]:
    """The figures of these pages, in the same order."""
    asked = {"start": period.start, "end": period.end}
    days, payers = _days(connection, asked), _payers(connection, asked)
    cells = _cells(connection, asked)
    examples = examples_of(connection, cells, _CELLS_READ)
    rows = connection.execute(
        text("SELECT * FROM allocation_rules WHERE rule_key = ANY (:keys) ORDER BY rule_key"),
        {"keys": sorted(days)},
    )
    return [
        RuleFigures(
            row.rule_key, row.rule_id, row.version, row.name, row.description, RuleType(row.rule_type),
            tuple(_criteria(row)), period, settings().currency, money.exact_sum(day.cost for day in days[row.rule_key]),
            tuple(days[row.rule_key]), tuple(payers[row.rule_key]),
            tuple(used_cell(cell) for cell in cells[row.rule_key]),
            int(cells[row.rule_key][0].cell_count) if cells[row.rule_key] else 0,
            examples.get(row.rule_key, ()),
        )
        for row in rows
    ]  # fmt: skip


def _criteria(row: Any) -> Iterator[tuple[str, str]]:
    """What usage a rule takes, and among whom it divides it, each with its label."""
    if row.team_id:
        yield "Usage of team", row.team_id
    for label, values in (
        ("Usage of users", [*row.user_ids, *row.match_user_ids]),
        ("Usage through agents", row.agent_ids),
        ("Usage of accounts", row.account_ids),
        ("Resource types", row.resource_types),
    ):
        if values:
            yield label, ", ".join(values)
    if row.split_percentages:
        parts = (f"{payer} {share} %" for payer, share in row.split_percentages.items())
        yield "Divided", ", ".join(parts)
    elif row.entity_ids:
        yield "Divided among", ", ".join(row.entity_ids)


def _days(connection: Connection, asked: dict[str, Any]) -> dict[int, list[DayCost]]:
    found: dict[int, list[DayCost]] = defaultdict(list)
    for row in connection.execute(text(_DAYS), asked):
        found[row.rule_key].append(DayCost(row.usage_date, row.resource_type, plain(row.cost)))
    return found


def _payers(connection: Connection, asked: dict[str, Any]) -> dict[int, list[Borne]]:
    found: dict[int, list[Borne]] = defaultdict(list)
    for row in connection.execute(text(_PAYERS), asked):
        found[row.rule_key].append(
            Borne(row.team_id, row.user_id, plain(row.cost), plain(row.quantity))
        )
    return found


def _cells(connection: Connection, asked: dict[str, Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(text(_CELLS), asked):
        found[row.rule_key].append(row)
    return found
