"""What decides a day's money besides its cells, as one digest per day.

Rules in force, owners, members and the setting for unattributed cost. A day whose digest is not the one
it was allocated under is worked on again, even where nothing marked it.
"""

from bisect import bisect_right
from calendar import monthrange
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from itertools import accumulate

from sqlalchemy import Connection, text

from chargeback import rules
from chargeback.ledger.rulebook import KeptRule
from chargeback.settings import settings
from models.enums import RuleType

_DATED = text("""
    SELECT valid_from, valid_to, 'owner' || E'\\n' || kind || E'\\n' || key || E'\\n' || team_id AS what FROM ownerships
    UNION ALL
    SELECT valid_from, valid_to, 'member' || E'\\n' || user_id || E'\\n' || team_id || E'\\n' || is_home
    FROM memberships
""")

# These look at the usage of the day's whole month, and so at whose it was on each of its days.
_LOOKS_AT_MONTH = frozenset({RuleType.BY_TEAM, RuleType.PROPORTIONAL})


def input_digests(
    connection: Connection, days: Sequence[date], kept: Sequence[KeptRule]
) -> dict[date, bytes]:
    """A digest per day of everything that decides who bears its cost.

    Where a rule looks at the whole month the digest is of the inputs of all its days: a driver's weights
    follow from them and from the month's cells, which mark all its days dirty when they come.
    """
    if not days:
        return {}
    stretches = _Stretches(connection, [k.rule for k in kept])
    return {day: stretches.digest(day) for day in days}


class _Stretches:
    """Between two dates at which anything begins or ends all days share one digest, worked out once."""

    def __init__(self, connection: Connection, all_rules: Sequence[rules.Rule]) -> None:
        self._rules = all_rules
        self._found: dict[int, tuple[bytes, bool]] = {}
        # A set's digest is the sum of its members' digests, so that one entering or leaving costs one addition.
        turns: dict[date, int] = defaultdict(int, {date.min: 0})
        for row in connection.execute(_DATED):
            number = int.from_bytes(sha256(row.what.encode()).digest())
            turns[row.valid_from] += number
            turns[row.valid_to] -= number
        for rule in all_rules:
            turns[rule.valid_from] += 0
            turns[rule.valid_to] += 0
        self._starts = sorted(turns)
        self._sums = list(accumulate(turns[start] for start in self._starts))

    def digest(self, day: date) -> bytes:
        """The digest of the day's stretch, or of all its month's stretches."""
        own, looks_at_month = self._of(self._place(day))
        if not looks_at_month:
            return own
        last = day.replace(day=monthrange(day.year, day.month)[1])
        month = range(self._place(day.replace(day=1)), self._place(last) + 1)
        return sha256(b"".join([own, *(self._of(place)[0] for place in month)])).digest()

    def _place(self, day: date) -> int:
        return bisect_right(self._starts, day) - 1

    def _of(self, place: int) -> tuple[bytes, bool]:
        """A stretch's digest, and whether one of its rules looks at the whole month."""
        if place not in self._found:
            in_force = rules.in_force(self._rules, self._starts[place])
            parts = [*(str(rule.key) for rule in in_force), settings().unattributed_team or ""]
            parts.append(str(self._sums[place]))
            looks_at_month = any(rule.rule_type in _LOOKS_AT_MONTH for rule in in_force)
            self._found[place] = sha256("\0".join(parts).encode()).digest(), looks_at_month
        return self._found[place]
