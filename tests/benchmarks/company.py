"""The made-up company that is measured: usage of one month, its teams, owners, members and rules.

The same seed makes the same rows. Rows lie in the order of time, as a tracker appends them.
"""

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

START = datetime(2026, 10, 1)  # noqa: DTZ001 - written as the tracker does, with a Z behind
END = date(2026, 11, 1)
MONTH_SECONDS = 31 * 86_400
MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-5", "llama-70b")
OPERATIONS = ("query", "nl_to_sql", "suggestion")
HEADER = (
    "Call ID,Timestamp,Provider,Model,Agent ID,Prompt Tokens,Completion Tokens,"
    "Total Tokens,Cost (USD),Operation Type\r\n"
)


def write_usage(
    path: Path, records: int, teams: int, operations: Sequence[str] = OPERATIONS
) -> None:
    """A cost tracker's CSV export: each team has one agent, which uses two models for three things."""
    chance = random.Random(20261101)
    seconds = sorted(chance.random() * MONTH_SECONDS for _ in range(records))
    with path.open("w", newline="") as file:
        file.write(HEADER)
        for at in seconds:
            agent = chance.randrange(teams)
            model = MODELS[(agent + chance.randrange(2)) % len(MODELS)]
            prompt, answer = chance.randrange(20, 500), chance.randrange(20, 500)
            micros = chance.randrange(100, 90_000)
            file.write(
                f"{chance.getrandbits(128):032x},{(START + timedelta(seconds=at)).isoformat()}Z,openai,{model},"
                f"agent-{agent:05d},{prompt},{answer},{prompt + answer},0.{micros:06d},"
                f"{operations[chance.randrange(len(operations))]}\r\n"
            )


def payers_yaml(teams: int) -> str:
    """The teams with two members each, the owner of each agent, and 50 rules of all five types."""
    lines = ["teams:"]
    lines += [
        f"  - {{id: team-{n:05d}, cost_center: 'CC-{n:05d}', "
        f"members: [{{user: u-{n:05d}-a, home: true}}, {{user: u-{n:05d}-b, home: true}}]}}"
        for n in range(teams)
    ]
    lines.append("owners:\n  agent:")
    lines += [f"    agent-{n:05d}: [{{team: team-{n:05d}}}]" for n in range(teams)]
    lines.append("rules:")
    lines += [_rule(n, teams) for n in range(50)]
    return "\n".join(lines)


def corrections_yaml(teams: int) -> str:
    """What turns out after the month was billed: every tenth agent is the next team's, and two splits are others."""
    lines = ["owners:\n  agent:"]
    lines += [
        f"    agent-{n:05d}: [{{team: team-{(n + 1) % teams:05d}}}]" for n in range(0, teams, 10)
    ]
    lines.append("rules:")
    lines += [_rule(n, teams).replace(": 60", ": 50").replace(": 40", ": 50") for n in (20, 21)]
    return "\n".join(lines)


def _rule(n: int, teams: int) -> str:
    team, agent = f"team-{n % teams:05d}", f"agent-{n % teams:05d}"
    head = f"  - {{rule_id: rule-{n:02d}, name: Rule {n}"
    to_teams = "allocation_metadata: {entity_type: team}"
    if n < 20:
        return f"{head}, rule_type: by_team, team_id: {team}}}"
    if n < 30:
        return (
            f"{head}, rule_type: fixed_split, match: {{agent_ids: [{agent}]}}, "
            f"split_percentages: {{{team}: 60, team-00001: 40}}, {to_teams}}}"
        )
    if n < 40:
        receivers = ", ".join(f"team-{k % teams:05d}" for k in range(20))
        return (
            f"{head}, rule_type: equal_split, match: {{agent_ids: [{agent}], resource_types: [query]}}, "
            f"entity_ids: [{receivers}], {to_teams}}}"
        )
    if n < 45:
        return f"{head}, rule_type: by_user, user_ids: [u-{n:05d}-a]}}"
    return (
        f"{head}, rule_type: by_usage, team_id: {team}, match: {{resource_types: [suggestion]}}}}"
    )
