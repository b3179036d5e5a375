"""What corrects, broken on purpose: verify names it."""

from dataclasses import dataclass

import pytest

from chargeback.ledger.database import snapshot
from chargeback.ledger.verify import verify
from tests.conftest import Ledger
from tests.ledger.books import Books

SPLIT = {
    "rule_id": "helpdesk", "rule_type": "fixed_split", "split_percentages": {"search": 60, "etl": 40},
    "allocation_metadata": {"entity_type": "team"},
}  # fmt: skip
_REVERSALS = "pool_id IN (SELECT pool_id FROM cost_pools WHERE kind = 'reversal')"


@dataclass(frozen=True)
class Damage:
    """`what` is done by `statements`; the invariant `found` must tell of it, saying `told`."""

    what: str
    found: int
    told: str
    statements: tuple[str, ...]


DAMAGES = (
    Damage("a reversal takes back another cost", 1, "revision 2 (-101) does not take back the one before it (100)", (
        "UPDATE usage_records SET cost = cost - 1 WHERE record_count = -1 AND cost = -100",)),
    Damage("a revision follows on none", 1, "revision 5 (80) does not follow on a reversal", (
        "UPDATE usage_records SET revision = 5 WHERE revision = 3",)),
    Damage("a manifest hides what was taken back", 2, "less 0 taken back, at the rate 1", (
        "ALTER TABLE usage_manifests DROP CONSTRAINT raw_is_ledger_and_residual",
        "UPDATE usage_manifests SET reversed_raw = 0 WHERE changed_count = 1")),
    Damage("a manifest does not count what was taken back", 14, "came in 110 (3 rows", (
        "UPDATE usage_manifests SET reversed_count = 0 WHERE changed_count = 1",)),
    Damage("what was taken back whole leaves somebody a share", 3, "is taken back whole, but team search", (
        (f"UPDATE allocations SET cost = cost + CASE team_id WHEN 'etl' THEN 1 ELSE -1 END WHERE {_REVERSALS}"
         " AND pool_id = (SELECT min(pool_id) FROM cost_pools WHERE kind = 'reversal')"),)),
    Damage("a cell is taken back more often than it is", 4, "-1 records for 0 are left", (
        "UPDATE usage_cells SET record_count = -2 WHERE reverses_cell_id IS NOT NULL AND cost = -100",)),
    Damage("a cell takes back one of other facts", 4, "of other facts", (
        "UPDATE usage_cells SET agent_id = 'x' WHERE reverses_cell_id IS NOT NULL AND cost = -100",)),
    Damage("a reallocation makes usage", 4, "what it takes back and what stands in for it differ by 1", (
        "UPDATE usage_cells SET cost = cost + 1 WHERE reallocation_id IS NOT NULL AND replaces_cell_id IS NOT NULL",)),
    Damage("a correction corrects nothing", 4, "corrects cell -1, which does not exist", (
        "UPDATE usage_cells SET replaces_cell_id = -1 WHERE replaces_cell_id IS NOT NULL AND cost = 80",)),
    Damage("a reversal takes back another pool", 4, "which takes back pool -1, but what it takes back is in pool", (
        "UPDATE cost_pools SET of_pool_id = -1 WHERE kind = 'reversal'",)),
    Damage("a line gives another cause", 6, "booked as correction on a line of usage", (
        "UPDATE invoice_lines SET cause = 'usage' WHERE cause = 'correction'",)),
    Damage("a document claims what is written off", 6, "which is written off", (
        f"UPDATE allocations SET is_written_off = true WHERE {_REVERSALS}",)),
)  # fmt: skip


@pytest.fixture
def books(ledger: Ledger) -> Books:
    """100 split 60 to 40 and billed, 80 in truth; 30 beside it, shared otherwise since."""
    books = Books(ledger).rule(SPLIT)
    books.use(agent="helpdesk", cost="100", external_id="call-1")
    books.use(agent="crawler", cost="30", external_id="call-2", resource_type="image").bill()
    books.use(agent="helpdesk", cost="80", external_id="call-1").bill("2026-11", "2026-12-01")
    books.rule(SPLIT | {"split_percentages": {"search": 50, "etl": 50}}).reallocate()
    books.bill("2026-12", "2027-01-01")
    return books


def test_corrected_books_tie_out(books: Books) -> None:
    with snapshot() as connection:
        assert verify(connection) == []


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.what)
def test_verify_names_what_is_broken_of_a_correction(books: Books, damage: Damage) -> None:
    books.damage(*damage.statements)
    with snapshot() as connection:
        told = [one.sentence for one in verify(connection) if one.invariant == damage.found]
    assert any(damage.told in sentence for sentence in told), told
