"""Who bears a pool, and the allocations that say so.

Owns the payers: direct pools go, in SQL, to those who caused them; divided pools come to Python, where
`money.split` divides them to the last 10⁻¹⁸. Works on `new_pools`, which `pools` leaves.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from chargeback import money, rules
from chargeback.identity import public_id
from chargeback.ledger.drivers import Drivers
from chargeback.ledger.rulebook import KeptRule
from chargeback.ledger.staging import stage
from chargeback.rules import Receiver
from models.enums import RuleType


class Share(NamedTuple):
    """Who bears a pool; `digest` tells whether that is still so, `remark` why it is not as the rule says."""

    receivers: tuple[Receiver, ...]
    digest: str
    remark: str | None


class Receivers:
    """Who bears what nobody caused alone, by rule version and day; members and seen users are read once."""

    def __init__(
        self,
        connection: Connection,
        kept: Sequence[KeptRule],
        unattributed_team: str | None,
        drivers: Drivers,
    ) -> None:
        self.unattributed_team = unattributed_team
        self._connection = connection
        self._drivers = drivers
        self._by_key = {k.key: k for k in kept}
        self._shares: dict[tuple[int, date], Share] = {}
        self._seen: dict[tuple[str, date], list[str]] = {}
        self._members: dict[str, list[tuple[str, date, date]]] = defaultdict(list)
        members = text("SELECT team_id, user_id, valid_from, valid_to FROM memberships")
        for team_id, user_id, valid_from, valid_to in connection.execute(members):
            self._members[team_id].append((user_id, valid_from, valid_to))

    def of(self, rule_key: int, day: date) -> "Share":
        """The receivers of the rule version's cost of that day, with their weights."""
        if (rule_key, day) not in self._shares:
            receivers, remark = self._found(self._by_key[rule_key], day)
            parts = [p for r in receivers for p in (r.team_id, r.user_id, str(r.weight))]
            digest = str(public_id(*parts, *([remark] if remark else [])))
            self._shares[rule_key, day] = Share(receivers, digest, remark)
        return self._shares[rule_key, day]

    def _found(self, kept: KeptRule, day: date) -> tuple[tuple[Receiver, ...], str | None]:
        if kept.rule.rule_type is RuleType.PROPORTIONAL:
            return self._by_driver(kept, day)
        if kept.rule.rule_type is RuleType.BY_TEAM:
            return self._of_team(kept, day), None
        return kept.receivers, None

    def _by_driver(self, kept: KeptRule, day: date) -> tuple[tuple[Receiver, ...], str | None]:
        """By the month's weights; where the rule lists nobody, all teams (or users) that pass nothing on."""
        assert kept.rule.driver is not None, "a proportional rule has a driver"
        weights = self._drivers.weights(kept.rule.driver, day)
        if not kept.receivers:
            wants_users = kept.rule.entity_type == "user"
            passing = self._passing_teams(day) if kept.rule.stage > 1 else set()
            weights = {
                receiver: weight
                for receiver, weight in weights.items()
                if (receiver.team_id is None) == wants_users and receiver.team_id not in passing
            }
        return rules.by_driver(kept.receivers, weights, Receiver(self.unattributed_team, None, 1))

    def _passing_teams(self, day: date) -> set[str | None]:
        """The teams whose cost a later stage passes on that day: it is never spread back to them unasked."""
        in_force = rules.in_force([kept.rule for kept in self._by_key.values()], day)
        return {rule.team_id for rule in in_force if rule.stage > 1} - {None}

    def _of_team(self, kept: KeptRule, day: date) -> tuple[Receiver, ...]:
        team_id = kept.rule.team_id
        assert team_id is not None, "a by_team rule names its team"
        members = [u for u, start, end in self._members[team_id] if start <= day < end]
        return rules.by_team_receivers(
            team_id, members, () if members else self._seen_users(team_id, day)
        )

    def _seen_users(self, team_id: str, day: date) -> list[str]:
        """The users seen in the team's usage in the day's calendar month."""
        month = day.replace(day=1)
        if (team_id, month) not in self._seen:
            found = self._connection.execute(
                text("""
                    SELECT DISTINCT c.user_id FROM attributed_cells c JOIN usage_sources s USING (source_id)
                    WHERE c.usage_date >= :month AND c.usage_date < CAST(:month AS date) + interval '1 month'
                      AND c.team_id = :team AND c.user_id IS NOT NULL AND s.role = 'allocate'"""),
                {"month": month, "team": team_id},
            )
            self._seen[team_id, month] = sorted(found.scalars())
        return self._seen[team_id, month]


def pools_with_other_receivers(
    connection: Connection, days: Sequence[date], receivers: Receivers
) -> Iterator[int]:
    """The unfrozen pools of the days whose same cells would be borne by others today."""
    held = connection.execute(
        text("""
            SELECT pool_id, rule_key, usage_date, split_digest FROM cost_pools p
            WHERE usage_date = ANY (:days) AND split_digest IS NOT NULL AND retired_at IS NULL AND kind <> 'reversal'
              AND NOT EXISTS (SELECT FROM frozen f WHERE f.pool_id = p.pool_id)"""),
        {"days": list(days)},
    )
    for pool_id, rule_key, day, digest in held:
        if str(digest) != receivers.of(rule_key, day).digest:
            yield pool_id
    yield from connection.execute(
        text("""
            SELECT DISTINCT p.pool_id FROM cost_pools p
            JOIN allocation_rules r USING (rule_key) JOIN allocations a USING (pool_id)
            WHERE p.usage_date = ANY (:days) AND r.rule_type IN ('by_usage', 'unattributed')
              AND p.team_id IS NULL AND a.user_id IS NULL AND a.team_id IS DISTINCT FROM :team
              AND p.retired_at IS NULL AND p.kind <> 'reversal'
              AND NOT EXISTS (SELECT FROM frozen f WHERE f.pool_id = p.pool_id)"""),
        {"days": list(days), "team": receivers.unattributed_team},
    ).scalars()


# What has neither team nor user goes to the team named by a setting, or to nobody. In the order of the pools, so
# that neighbours in the index come one after the other.
_DIRECT = text("""
    INSERT INTO allocations (pool_id, usage_date, team_id, user_id, cost, quantity)
    SELECT pool_id, n.usage_date,
        CASE WHEN n.rule_type = 'by_user' THEN NULL
             WHEN c.team_id IS NULL AND c.user_id IS NULL THEN :unattributed_team ELSE c.team_id END AS payer_team,
        CASE WHEN n.rule_type IN ('by_usage', 'by_user') THEN c.user_id END AS payer_user,
        sum(c.cost), sum(c.quantity)
    FROM (SELECT pool_id, usage_date, rule_type, unnest(taken_ids) AS cell_id FROM new_pools
          WHERE rule_type IN ('by_usage', 'by_user', 'unattributed') AND kind <> 'reversal') n
    JOIN classified c USING (cell_id)
    GROUP BY pool_id, n.usage_date, payer_team, payer_user ORDER BY pool_id
""")


def allocate_direct(connection: Connection, unattributed_team: str | None) -> int:
    """Allocate the new direct pools to those who caused them; how many allocations that makes."""
    return connection.execute(_DIRECT, {"unattributed_team": unattributed_team}).rowcount


def allocate_divided(connection: Connection, receivers: Receivers) -> int:
    """Divide the other new pools among their receivers; how many allocations that makes."""
    pools = connection.execute(
        text("""SELECT pool_id, usage_date, rule_key, rule_type, cost, quantity FROM new_pools
                WHERE rule_type IN ('by_team', 'fixed_split', 'equal_split', 'proportional')
                  AND kind <> 'reversal' ORDER BY pool_id""")
    ).all()
    if not pools:
        return 0
    found: dict[tuple[int, date], Share] = {}
    shares: list[tuple[object, ...]] = []
    for pool in pools:
        share = receivers.of(pool.rule_key, pool.usage_date)
        found[pool.rule_key, pool.usage_date] = share
        shares += _divide(pool, share.receivers)
    stage(
        connection, "shares",
        "pool_id bigint, usage_date date, team_id text, user_id text, cost numeric, quantity numeric, weight numeric",
        shares,
    )  # fmt: skip
    stage(
        connection, "split_digests", "rule_key bigint, usage_date date, digest uuid, remark text",
        [(*key, share.digest, share.remark) for key, share in found.items()],
    )  # fmt: skip
    connection.execute(
        text("""UPDATE cost_pools p SET split_digest = d.digest, remark = d.remark FROM new_pools n JOIN split_digests d
                USING (rule_key, usage_date) WHERE p.pool_id = n.pool_id""")
    )
    return connection.execute(
        text("""INSERT INTO allocations (pool_id, usage_date, team_id, user_id, cost, quantity, weight)
                SELECT pool_id, usage_date, team_id, user_id, cost, quantity, weight FROM shares""")
    ).rowcount


def _divide(pool: Any, share: Sequence[Receiver]) -> Iterator[tuple[object, ...]]:
    """One pool's shares: cost and quantity by the same weights; who weighs nothing gets no row.

    The weight of a percentage or a driver is whole in units of 10⁻¹⁸ and kept as the number it is.
    """
    is_in_units = pool.rule_type in (RuleType.FIXED_SPLIT, RuleType.PROPORTIONAL)
    payers = {_payer_key(r): r for r in share}
    weights = {key: r.weight for key, r in payers.items()}
    costs = money.split(money.units(pool.cost), weights)
    quantities = money.split(money.units(pool.quantity), weights)
    for key, receiver in payers.items():
        if receiver.weight:
            kept = money.amount(receiver.weight) if is_in_units else receiver.weight
            yield (pool.pool_id, pool.usage_date, receiver.team_id, receiver.user_id,
                   money.amount(costs[key]), money.amount(quantities[key]), kept)  # fmt: skip


def _payer_key(receiver: Receiver) -> str:
    """The payer as one text, by which the odd 10⁻¹⁸ is given: team, then user."""
    return f"{receiver.team_id or ''}\0{receiver.user_id or ''}"
