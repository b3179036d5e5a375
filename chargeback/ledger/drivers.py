"""What cost is divided by: per calendar month, what each team or user weighs under a rule's driver.

A weight depends on usage, owners and today's rules only: not on what was allocated, frozen or billed, nor on
the cost that shared rules take. So it is the same whichever days are worked on, in whichever order.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Connection, TextClause, text

from chargeback import money
from chargeback.ledger.classification import classify
from chargeback.ledger.rulebook import KeptRule
from chargeback.rule import Driver
from chargeback.rules import Receiver

Weights = Mapping[Receiver, int]
DIRECT = Driver()

# The cost a team or user caused itself, before anything shared: what no rule or a direct one takes. What a team
# splits between its members is its own too.
_DIRECT_COST = text("""
    SELECT team_id, NULL AS user_id, sum(cost) AS weight FROM classified
    WHERE rule_type IN ('by_usage', 'by_team') AND team_id IS NOT NULL GROUP BY team_id
    UNION ALL
    SELECT NULL, user_id, sum(cost) FROM classified
    WHERE rule_type IN ('by_usage', 'by_user') AND user_id IS NOT NULL GROUP BY user_id
""")

_QUANTITY = text("""
    SELECT team_id, user_id, sum(quantity) AS weight FROM (
        SELECT c.team_id, c.user_id, c.quantity FROM attributed_cells c JOIN usage_sources s USING (source_id)
        WHERE c.usage_date >= :month AND c.usage_date < CAST(:month AS date) + interval '1 month'
          AND (CAST(:resource_type AS text) IS NULL OR c.resource_type = :resource_type)
          AND (CAST(:unit AS text) IS NULL OR c.unit = :unit)
          AND CASE WHEN CAST(:source AS text) IS NULL THEN s.role = 'allocate'
                   ELSE s.role = 'weights' AND s.name = :source END) used
    WHERE team_id IS NOT NULL OR user_id IS NOT NULL
    GROUP BY GROUPING SETS ((team_id), (user_id))
    HAVING team_id IS NOT NULL OR user_id IS NOT NULL
""")


@dataclass
class Drivers:
    """The weights of the months that are worked on, each worked out once."""

    connection: Connection
    direct: dict[date, Weights] = field(default_factory=dict)
    quantities: dict[tuple[Driver, date], Weights] = field(default_factory=dict)

    def weights(self, driver: Driver, day: date) -> Weights:
        """What each team and each user weighs in the day's calendar month, in units of 10⁻¹⁸."""
        month = day.replace(day=1)
        if driver == DIRECT:
            return self.direct.get(month, {})
        if (driver, month) not in self.quantities:
            asked = {"month": month, **driver._asdict()}
            self.quantities[driver, month] = _weights(self.connection, _QUANTITY, asked)
        return self.quantities[driver, month]


def drivers_of(connection: Connection, kept: Sequence[KeptRule], days: Iterable[date]) -> Drivers:
    """The drivers for the months of `days`.

    Direct cost is worked out now, because it takes the temporary tables that classification fills; the
    months in full, frozen pools included.
    """
    drivers = Drivers(connection)
    newest = {one.rule.rule_id: one.rule for one in kept}
    living = {rule_id for rule_id, rule in newest.items() if not rule.is_closing}
    if any(one.rule.driver == DIRECT and one.rule.rule_id in living for one in kept):
        for month in sorted({day.replace(day=1) for day in days}):
            classify(connection, _days_of(month), kept, is_frozen_too=True)
            drivers.direct[month] = _weights(connection, _DIRECT_COST, {})
    return drivers


def _weights(connection: Connection, query: TextClause, asked: Mapping[str, object]) -> Weights:
    return {
        Receiver(team_id, user_id, 1): money.units(weight)
        for team_id, user_id, weight in connection.execute(query, dict(asked))
    }


def _days_of(month: date) -> list[date]:
    return [month.replace(day=day + 1) for day in range(monthrange(month.year, month.month)[1])]
