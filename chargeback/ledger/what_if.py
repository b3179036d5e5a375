"""What a period would come to under other rules: who would bear how much more or less, to the last digit.

Owns no rules of sharing: the draft is imported, open cost is allocated and billed cost reallocated by the very code
that does so for good, in a `rehearsal` that is undone whole. So it shows what importing the draft and then
`reallocate` would do. Locks what these lock, as long as it runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.ledger import payers, previews
from chargeback.ledger.allocation import allocate
from chargeback.ledger.database import rehearsal
from chargeback.ledger.invoices import plain
from chargeback.ledger.previews import BornePayer, Taken
from chargeback.ledger.reallocation import lock_sources, reallocate
from chargeback.payers_file import PayersFile
from chargeback.periods import Period
from chargeback.settings import settings

_REASON = "what if"


@dataclass(frozen=True)
class Difference:
    """What one payer bears of the period now, and would bear under the draft; exact.

    Without team and user: what nobody owns.
    """

    team_id: str | None
    user_id: str | None
    now: Decimal
    then: Decimal

    @property
    def difference(self) -> Decimal:
        """What the payer would bear more."""
        return money.EXACT.subtract(self.then, self.now)


@dataclass(frozen=True)
class WhatIf:
    """A period now and under a draft: every payer that bears any of it; the differences add up to 0.

    `taken` is what rules of the draft that differ from those in force would take, billed cost moved to them included.
    """

    period: Period
    currency: str
    payers: tuple[Difference, ...]
    taken: tuple[Taken, ...]

    @property
    def moved(self) -> Decimal:
        """How much would go from some payers to others."""
        more = (one.difference for one in self.payers)
        return money.exact_sum(amount for amount in more if amount > 0)

    @property
    def by_team(self) -> tuple[Difference, ...]:
        """The same per team; users who bear in no team stay by themselves."""
        found: dict[tuple[str | None, str | None], tuple[Decimal, Decimal]] = {}
        for one in self.payers:
            key = (one.team_id, None if one.team_id else one.user_id)
            now, then = found.get(key, (money.ZERO, money.ZERO))
            found[key] = (money.EXACT.add(now, one.now), money.EXACT.add(then, one.then))
        return tuple(Difference(*key, *amounts) for key, amounts in found.items())


def what_if(period: Period, draft: PayersFile, actor: str) -> WhatIf:
    """Who would bear what of the period if `draft` were imported and what was billed shared anew.

    An empty draft replays the rules in force: nothing differs, unless rules or owners changed since it was billed.
    Days that wait to be allocated are brought up to date first, so that only the draft is seen.
    Raises Invalid for a draft that cannot work; Unavailable where others hold what it locks.
    """
    with rehearsal() as connection:
        lock_sources(connection)
        allocate(period.end, period.start)
        days = _days(connection, period)
        now = _by_payer(previews.borne(connection, days))
        newest: int = connection.execute(
            text("SELECT max(rule_key) FROM allocation_rules")
        ).scalar_one()
        payers.import_file(connection, draft, actor)
        reallocate(period, _REASON, actor)
        then = _by_payer(previews.borne(connection, days))
        taken = tuple(
            Taken(row.rule_id, plain(row.cost), row.days)
            for row in previews.taken(connection, newest)
        )
    found = WhatIf(period, settings().currency, _differences(now, then), taken)
    whole = money.exact_sum(one.difference for one in found.payers)
    assert not whole, f"the differences of {period.label} add up to {whole} and not to 0"
    return found


def _days(connection: Connection, period: Period) -> list[date]:
    days = text("""SELECT usage_date FROM allocation_days WHERE usage_date >= :start AND usage_date < :end
                   ORDER BY usage_date""")
    return list(connection.execute(days, {"start": period.start, "end": period.end}).scalars())


_Sums = Mapping[tuple[str | None, str | None], Decimal]


def _by_payer(borne: Mapping[tuple[date, BornePayer], Decimal]) -> _Sums:
    sums: dict[tuple[str | None, str | None], Decimal] = {}
    for (_, payer), cost in borne.items():
        key = (payer.team_id, payer.user_id)
        sums[key] = money.EXACT.add(sums.get(key, money.ZERO), cost)
    return sums


def _differences(now: _Sums, then: _Sums) -> tuple[Difference, ...]:
    every = sorted(now.keys() | then.keys(), key=lambda payer: (payer[0] or "", payer[1] or ""))
    found = (
        Difference(*payer, plain(now.get(payer, money.ZERO)), plain(then.get(payer, money.ZERO)))
        for payer in every
    )
    return tuple(one for one in found if one.now or one.then)
