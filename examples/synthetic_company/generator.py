"""The usage of the synthetic company, month by month, as a cost tracker would export it.

The same seed gives the same bytes. What there is to find in it:

- cost grows from month to month, follows office hours and rests at weekends;
- the support agent is shared by two teams and the gateway by all (`company.yaml` has the rules);
- on 14 and 15 October the research agent ran in a loop: ten times its usual calls;
- forty calls of September came only with October's export, after September was billed;
- the sandbox agent belongs to nobody, so what it cost has no owner.

Costs are floats here because the tracker computes and prints them so; nothing in the ledger is.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

SEED = 20261122
MONTHS = (date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1))
LOOP_DAYS = (date(2026, 10, 14), date(2026, 10, 15))
LATE_CALLS = 40
LATE_FROM = date(2026, 9, 29)
OPERATIONS = ("query", "nl_to_sql", "suggestion")
# Provider, and US dollars per million prompt and completion tokens.
MODELS = {
    "gpt-4o": ("openai", 2.5, 10.0),
    "gpt-4o-mini": ("openai", 0.15, 0.6),
    "claude-sonnet-5": ("anthropic", 3.0, 15.0),
    "claude-opus-5": ("anthropic", 5.0, 25.0),
}


@dataclass(frozen=True)
class Agent:
    """One agent: how many calls it makes on a working day, on what, for whom, and how long they are."""

    agent_id: str
    calls: int
    models: tuple[str, ...]
    operations: tuple[str, ...]
    tokens: int


AGENTS = (
    Agent("agent-gateway", 60, ("gpt-4o-mini", "gpt-4o"), OPERATIONS, 70_000),
    Agent("agent-support", 45, ("claude-sonnet-5",), ("query", "suggestion"), 110_000),
    Agent("agent-sql", 30, ("gpt-4o", "claude-sonnet-5"), ("nl_to_sql", "query"), 95_000),
    Agent("agent-review", 25, ("claude-opus-5",), ("suggestion",), 320_000),
    Agent("agent-research", 12, ("claude-opus-5", "claude-sonnet-5"), ("query",), 720_000),
    Agent("agent-writer", 18, ("gpt-4o",), ("suggestion", "query"), 130_000),
    Agent("agent-forecast", 10, ("claude-sonnet-5",), ("nl_to_sql",), 240_000),
    Agent("agent-sandbox", 3, ("gpt-4o",), ("query",), 160_000),
)
TEAMS = (
    "team-platform", "team-search", "team-support", "team-data", "team-ml", "team-mobile",
    "team-web", "team-finance", "team-marketing", "team-security", "team-sales", "team-legal",
)  # fmt: skip
PEOPLE_PER_TEAM = 5
# What people call without an agent, per working day of the whole company.
OWN_CALLS = 70


def write(folder: Path) -> list[Path]:
    """Write the export of each month into `folder`; the files in the order in which they are delivered."""
    chance = random.Random(SEED)  # noqa: S311 - made-up calls, no secrets
    calls = {month: sorted(_month(chance, n, month), key=_when) for n, month in enumerate(MONTHS)}
    _hold_back(chance, calls)
    return [_export(folder / f"usage-{month:%Y-%m}.json", calls[month]) for month in MONTHS]


def _when(call: dict[str, Any]) -> str:
    return str(call["timestamp"])


def _hold_back(chance: random.Random, calls: dict[date, list[dict[str, Any]]]) -> None:
    """Move some calls of late September into October's export: a machine was cut off and caught up."""
    _, september, october = MONTHS
    last_days = [call for call in calls[september] if _when(call) >= LATE_FROM.isoformat()]
    late = chance.sample(last_days, LATE_CALLS)
    calls[september] = [call for call in calls[september] if call not in late]
    calls[october] = sorted([*late, *calls[october]], key=_when)


def _month(chance: random.Random, number: int, month: date) -> Iterator[dict[str, Any]]:
    day = month
    while day.month == month.month:
        share = (0.18 if day.weekday() >= 5 else 1.0) * (1 + 0.22 * number)
        for agent in AGENTS:
            loop = 10 if agent.agent_id == "agent-research" and day in LOOP_DAYS else 1
            for _ in range(round(agent.calls * share * loop * chance.uniform(0.8, 1.2))):
                yield _agent_call(chance, agent, day)
        for _ in range(round(OWN_CALLS * share)):
            team = chance.choice(TEAMS)
            yield _call(chance, day, None, chance.choice(tuple(MODELS)),
                        chance.choice(OPERATIONS), 50_000, team, _person(chance, team))  # fmt: skip
        day += timedelta(days=1)


def _agent_call(chance: random.Random, agent: Agent, day: date) -> dict[str, Any]:
    return _call(chance, day, agent.agent_id, chance.choice(agent.models),
                 chance.choice(agent.operations), agent.tokens, None, None)  # fmt: skip


def _call(
    chance: random.Random, day: date, agent_id: str | None, model: str, operation: str,
    tokens: int, team: str | None, user: str | None,
) -> dict[str, Any]:  # fmt: skip
    provider, per_prompt, per_completion = MODELS[model]
    prompt = max(20, round(chance.lognormvariate(0, 0.6) * tokens))
    completion = max(5, round(prompt * chance.uniform(0.05, 0.3)))
    seconds = min(max(chance.gauss(13.5, 3.2), 0.0), 23.99) * 3600
    at = datetime.combine(day, time()) + timedelta(seconds=seconds)
    metadata: dict[str, Any] = {"query_length": chance.randrange(10, 400)}
    if team:
        metadata |= {"team_id": team, "user_id": user}
    return {
        "call_id": str(UUID(int=chance.getrandbits(128))),
        "timestamp": at.isoformat() + "Z",
        "provider": provider,
        "model": model,
        "agent_id": agent_id,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "cost_usd": round((prompt * per_prompt + completion * per_completion) / 1_000_000, 6),
        "operation_type": operation,
        "metadata": metadata,
    }


def _person(chance: random.Random, team: str) -> str:
    return f"u-{team.removeprefix('team-')}-{chance.randrange(PEOPLE_PER_TEAM) + 1}"


def _export(path: Path, calls: list[dict[str, Any]]) -> Path:
    summary = {
        "total_cost": sum(call["cost_usd"] for call in calls),
        "total_calls": len(calls),
        "total_tokens": sum(call["total_tokens"] for call in calls),
    }
    path.write_text(json.dumps({"records": calls, "summary": summary}), encoding="utf-8")
    return path
