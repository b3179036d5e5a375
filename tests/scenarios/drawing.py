"""What a company's history is drawn from: few names and few days, so that everything meets everything."""

from typing import Any

from hypothesis import strategies as st

from tests.scenarios.truth import TEAMS, USERS, Used, Version

MONTHS = ("2026-09", "2026-10", "2026-11")
PERIODS = (*MONTHS, "2026-10-01/2026-10-10", "2026-09/2026-10")
DAYS = ("2026-09-05", "2026-09-30", "2026-10-05", "2026-10-31", "2026-11-20")
ACCOUNTS, AGENTS = ("acme", "beta"), ("crawler", "helpdesk")
RULE_IDS = ("one", "two", "three")

NUMBERS = st.integers(0, 30)
# Mostly nothing happens; else the process dies at this point of what it does, and it is done again.
DEATHS = st.integers(-150, 50).map(lambda point: max(point, -1))
COSTS = st.one_of(
    st.just(0),
    st.integers(-(50 * 10**18), 200 * 10**18),
    st.integers(-5000, 20_000).map(lambda cents: cents * 10**16),
    st.integers(-9, 40),
)
FACTS = st.builds(
    Used,
    st.sampled_from((None, *TEAMS)),
    st.sampled_from((None, *USERS)),
    st.sampled_from((None, *AGENTS)),
    st.sampled_from((None, *ACCOUNTS)),
    st.sampled_from(DAYS),
    COSTS,
    st.integers(0, 5),
)
_MATCHES: st.SearchStrategy[dict[str, str]] = st.sampled_from(
    ({}, {"agent": "helpdesk"}, {"account": "acme"}, {"agent": "crawler", "account": "acme"})
)
# What kind a rule is, who gets which part, and what the kind itself asks for.
_KINDS: st.SearchStrategy[tuple[Any, ...]] = st.one_of(
    st.integers(0, 100).map(
        lambda part: ("fixed_split", {"etl": part, "search": 100 - part}, {}),
    ),
    st.lists(st.sampled_from(USERS), min_size=1, unique=True).map(
        lambda users: ("equal_split", dict.fromkeys(users, 1), {})
    ),
    st.sampled_from(TEAMS).map(lambda team: ("by_team", {}, {"team": team})),
    st.sampled_from(USERS).map(lambda user: ("by_user", {user: 1}, {"user": user})),
)
VERSIONS = st.builds(
    lambda kind, match, priority, is_enabled, since: Version(
        kind[0], {**match, **kind[2]}, kind[1], priority, is_enabled, since
    ),
    _KINDS,
    _MATCHES,
    st.sampled_from((100, 50)),
    st.sampled_from((True, True, True, False)),
    st.sampled_from(("", "", "2026-10-16")),
)
