"""From cells to pools to allocations, stage by stage: what each payer bears of each day, exactly.

Owns the order of the steps and the days they are taken for. A day is worked on when it is dirty or when
what decides its money (`inputs`) is not what it was. Every cell of it outside frozen pools is classified
anew; a pool whose cells and receivers stay the same is left untouched, so running twice changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import date
from itertools import groupby

from sqlalchemy import Connection, text

from chargeback.errors import ChargebackError
from chargeback.ledger import ledger_settings
from chargeback.ledger.classification import classify
from chargeback.ledger.database import transaction
from chargeback.ledger.drivers import drivers_of
from chargeback.ledger.inputs import input_digests
from chargeback.ledger.open_batches import seal_all
from chargeback.ledger.passing import later_stages, pass_on
from chargeback.ledger.pools import insert_pools, lock_drafts, remove_stale
from chargeback.ledger.rulebook import KeptRule, kept_rules
from chargeback.ledger.sharing import (
    Receivers,
    allocate_direct,
    allocate_divided,
    pools_with_other_receivers,
)
from chargeback.ledger.taking_back import (
    allocate_reversals,
    pools_of_new_write_offs,
    write_off_with_originals,
)
from chargeback.settings import settings


class BooksDoNotTie(ChargebackError):
    """A bug: what was allocated is not what there was. Nothing is committed."""


@dataclass(frozen=True)
class AllocationCounts:
    """What an allocation did; all zero when nothing had changed."""

    days: int = 0
    pools: int = 0
    allocations: int = 0
    replaced_pools: int = 0
    stale_drafts: int = 0

    def __add__(self, other: "AllocationCounts") -> "AllocationCounts":
        """Both together."""
        return AllocationCounts(*map(sum, zip(astuple(self), astuple(other), strict=True)))


def allocate(
    end: date, start: date = date.min, say: Callable[[date, int, int], None] | None = None
) -> AllocationCounts:
    """Bring every day in `start <= day < end` up to date, a calendar month per transaction.

    Open batches are sealed first, so that what was posted until now takes part.
    `say` hears the month, how many months are done and how many there are.
    Rerun: days with nothing new are untouched; the counts say so.
    """
    with transaction() as connection:
        ledger_settings.check(connection)
    seal_all()
    with transaction() as connection:
        days = days_to_allocate(connection, start, end)
    months = [list(month) for _, month in groupby(days, key=lambda day: (day.year, day.month))]
    counts = AllocationCounts()
    for done, month in enumerate(months, 1):
        with transaction() as connection:
            counts += allocate_days(connection, month)
        if say:
            say(month[0], done, len(months))
    return counts


def days_to_allocate(connection: Connection, start: date, end: date) -> list[date]:
    """The days in `start <= day < end` that are dirty or were allocated under other inputs."""
    held = connection.execute(
        text("""SELECT usage_date, is_dirty, inputs_digest FROM allocation_days
                WHERE usage_date >= :start AND usage_date < :end ORDER BY usage_date"""),
        {"start": start, "end": end},
    ).all()
    digests = input_digests(connection, [row.usage_date for row in held], kept_rules(connection))
    return [
        row.usage_date
        for row in held
        if row.is_dirty
        or row.inputs_digest is None
        or bytes(row.inputs_digest) != digests[row.usage_date]
    ]


def allocate_days(connection: Connection, days: Sequence[date]) -> AllocationCounts:
    """Allocate these days in this transaction. Locks: the days by date, then the drafts that claim of them."""
    connection.execute(
        text(
            "SELECT FROM allocation_days WHERE usage_date = ANY (:days) ORDER BY usage_date FOR UPDATE"
        ),
        {"days": list(days)},
    )
    lock_drafts(connection, days)
    kept = kept_rules(connection)
    drivers = drivers_of(connection, kept, days)
    classify(connection, days, kept)
    receivers = Receivers(connection, kept, settings().unattributed_team, drivers)
    counts = _share_cells(connection, days, receivers)
    for stage in later_stages(kept):
        counts += _pass_on(connection, days, stage, kept, receivers)
    mark_clean(connection, days, kept)
    return counts


def mark_clean(connection: Connection, days: Sequence[date], kept: Sequence[KeptRule]) -> None:
    """Note under which inputs these days are up to date."""
    digests = input_digests(connection, days, kept)
    for digest, same in groupby(sorted(days, key=digests.__getitem__), key=digests.__getitem__):
        connection.execute(
            text("""UPDATE allocation_days SET is_dirty = false, inputs_digest = :digest
                    WHERE usage_date = ANY (:days)"""),
            {"digest": digest, "days": list(same)},
        )


def _share_cells(
    connection: Connection, days: Sequence[date], receivers: Receivers
) -> AllocationCounts:
    """The first stage: every classified cell into a pool, every new pool onto its payers."""
    replaced, drafts = remove_stale(
        connection,
        [
            *pools_with_other_receivers(connection, days, receivers),
            *pools_of_new_write_offs(connection, days),
        ],
    )
    pools = insert_pools(connection, days)
    allocations = allocate_direct(connection, receivers.unattributed_team)
    allocations += _share(connection, receivers)
    return AllocationCounts(len(days), pools, allocations, replaced, drafts)


def _pass_on(
    connection: Connection,
    days: Sequence[date],
    stage: int,
    kept: Sequence[KeptRule],
    receivers: Receivers,
) -> AllocationCounts:
    """A later stage: what the stages before it gave to the teams of its rules, onto those they name."""
    replaced, drafts, pools = pass_on(connection, days, stage, kept)
    return AllocationCounts(0, pools, _share(connection, receivers), replaced, drafts)


def _share(connection: Connection, receivers: Receivers) -> int:
    """Divide the new pools, and take back what corrects billed ones; how many allocations that makes."""
    allocations = allocate_divided(connection, receivers) + allocate_reversals(connection)
    write_off_with_originals(connection)
    _assert_tied(connection)
    return allocations


_LOOSE = text("""
    SELECT (SELECT count(*) FROM classified c
            WHERE NOT EXISTS (SELECT FROM pool_cells h WHERE h.cell_id = c.cell_id)) AS cells,
           (SELECT count(*) FROM (
                SELECT n.pool_id FROM new_pools n LEFT JOIN allocations a USING (pool_id)
                GROUP BY n.pool_id, n.cost, n.quantity
                HAVING n.cost <> coalesce(sum(a.cost), 0) OR n.quantity <> coalesce(sum(a.quantity), 0)
            ) untied) AS pools
""")


def _assert_tied(connection: Connection) -> None:
    """Every cell looked at is in a pool, and every new pool is borne whole, before anything is committed."""
    loose = connection.execute(_LOOSE).one()
    if loose.cells or loose.pools:
        raise BooksDoNotTie(
            "books_do_not_tie",
            f"allocation left {loose.cells} cells in no pool and {loose.pools} pools not borne whole; "
            "nothing was booked: report this as a bug",
        )
