"""What decides a day's money besides its cells, as one digest per day.

Rules in force, owners, members and the setting for unattributed cost. A day whose digest is not the one
it was allocated under is worked on again, even where nothing marked it.
"""

from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from itertools import pairwise

from sqlalchemy import Connection, text

from chargeback import rules
from chargeback.ledger.rulebook import KeptRule
from chargeback.settings import settings

_DATED = text("""
    SELECT valid_from, valid_to, 'owner' || E'\\n' || kind || E'\\n' || key || E'\\n' || team_id AS what FROM ownerships
    UNION ALL
    SELECT valid_from, valid_to, 'member' || E'\\n' || user_id || E'\\n' || team_id || E'\\n' || is_home
    FROM memberships
""")


def input_digests(
    connection: Connection, days: Sequence[date], kept: Sequence[KeptRule]
) -> dict[date, bytes]:
    """A digest per day of everything that decides who bears its cost.

    Between two dates at which anything begins or ends all days share one digest, so it is worked out
    once per such stretch.
    """
    if not days:
        return {}
    dated = sorted(connection.execute(_DATED).all(), key=lambda row: row.what)
    turns = {d for row in dated for d in (row.valid_from, row.valid_to)}
    turns |= {d for k in kept for d in (k.rule.valid_from, k.rule.valid_to)}
    stretches = pairwise([date.min, *sorted(turns - {date.min}), date.max])
    all_rules = [k.rule for k in kept]
    digests: dict[date, bytes] = {}
    wanted = sorted(days)
    for start, end in stretches:
        inside = [day for day in wanted if start <= day < end]
        if inside:
            digest = _digest(
                all_rules, [r.what for r in dated if r.valid_from <= start < r.valid_to], start
            )
            digests |= dict.fromkeys(inside, digest)
    return digests


def _digest(all_rules: Sequence[rules.Rule], dated: Sequence[str], day: date) -> bytes:
    in_force = (str(rule.key) for rule in rules.in_force(all_rules, day))
    parts = ["\n".join(in_force), settings().unattributed_team or "", *dated]
    return sha256("\0".join(parts).encode()).digest()
