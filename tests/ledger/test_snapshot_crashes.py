"""A snapshot whose sync dies anywhere: each scope is as it was or as it was delivered, the next sync does the rest."""

from collections.abc import Callable
from pathlib import Path

from chargeback.ledger import database
from tests.conftest import Ledger
from tests.faults.crash_points import Crashed, Points
from tests.ledger.books import Books
from tests.ledger.cloud import Cloud, Row, row
from tests.ledger.soundness import assert_sound

# Three scopes: of the first a row changes, the second is new, the third stays. Of each state all or nothing.
BEFORE = [row("1.00", "r-1", "a-1"), row("2.00", "r-2", "a-1"), row("4.00", "r-3", "a-3")]
AFTER = [row("1.10", "r-1", "a-1"), row("2.00", "r-2", "a-1"), row("8.00", "r-4", "a-2"), BEFORE[2]]
WHOLE = [{"r-1": "1", "r-2": "2", "r-3": "4"}, {"r-1": "1.1", "r-2": "2", "r-3": "4"},
         {"r-1": "1.1", "r-2": "2", "r-3": "4", "r-4": "8"}]  # fmt: skip


def held(cloud: Cloud) -> dict[str, str]:
    return {resource: f"{cost:f}" for resource, (_, cost) in cloud.held().items()}


def dies(cloud: Cloud, rows: list[Row], point: int) -> bool:
    """Whether the sync died at that point."""
    points = Points(point)
    try:
        with points.watching(database.engine(database.ledger_url())):
            cloud.deliver(rows)
    except Crashed:
        return True
    return False


def test_a_sync_that_dies_anywhere_leaves_no_scope_half_replaced(
    another_ledger: Callable[[], Ledger], tmp_path: Path
) -> None:
    undisturbed = Cloud(Books(another_ledger()), tmp_path)
    undisturbed.deliver(BEFORE)
    undisturbed.deliver(AFTER)
    wanted = undisturbed.digest()
    point, seen = 0, set()
    cloud = Cloud(Books(another_ledger()), tmp_path)
    cloud.deliver(BEFORE)
    # Each death is followed by the next try, so that one ledger goes through all of them.
    while dies(cloud, AFTER, point):
        here = held(cloud)
        assert here in WHOLE, f"after a death at point {point}"
        seen.add(len(here) + (here["r-1"] == "1.1"))
        point += 1
    print(f"{point} points")
    assert point > 40
    assert seen == {3, 4, 5}
    assert cloud.digest() == wanted
    assert_sound()
