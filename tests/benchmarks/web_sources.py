"""Sources that are read over HTTP, from servers on this machine that answer as the real ones do.

A server shares the reader's interpreter, so what it takes to answer is in the seconds. The floor of parsing decodes
the very answers that were read, and looks at none of their rows.
"""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from chargeback.ledger.database import upgrade
from tests.benchmarks.ledger import Measured
from tests.benchmarks.sources import measured
from tests.postgres import Server
from tests.sources.fake_litellm import FakeLiteLlm
from tests.sources.fake_web import Answer, Asked, answering
from tests.sources.litellm_database import sample_rows

DAYS = 31
_START = datetime(2026, 10, 1, tzinfo=UTC)
_SINCE = {"since": "2026-10-01"}
_Answers = Callable[[Asked], Answer]


def measure(server: Server, folder: Path, records: int) -> Iterator[Measured]:
    """Tell a month to each source in turn and sync it."""
    template = server.create_database()
    upgrade(server.url(template))
    os.environ["CHARGEBACK_PRIVATE_NETWORKS"] = "127.0.0.0/8"
    os.environ["BENCH_KEY"] = "a-key"
    a_day = max(1, records // DAYS)
    bill = {"token_env": "BENCH_KEY", **_SINCE}
    kinds: tuple[tuple[str, _Answers, dict[str, Any]], ...] = (
        ("litellm_http", FakeLiteLlm(_requests(records)).answer, _SINCE),
        ("opencost", _allocations(a_day), {"cluster": "prod", "restated_days": 0, **_SINCE}),
        ("openai_costs", _openai(a_day), bill),
        ("anthropic_costs", _anthropic(a_day), bill),
    )
    for kind, answers, config in kinds:
        yield _measured(server, template, folder, kind, answers, config)


def _measured(
    server: Server,
    template: str,
    folder: Path,
    kind: str,
    answers: _Answers,
    config: dict[str, Any],
) -> Measured:
    bodies: list[bytes] = []

    def answer(asked: Asked) -> Answer:
        found = answers(asked)
        bodies.append(found.content)
        return Answer(bodies[-1].decode())

    def parse() -> None:
        decoder = json.JSONDecoder(parse_float=Decimal)
        for body in bodies:
            decoder.decode(body.decode())

    with answering(answer) as web:
        return measured(server, template, folder, kind, kind, {"url": web.url, **config}, parse)


def _requests(records: int) -> list[dict[str, Any]]:
    (row, *_), every = sample_rows(), timedelta(days=DAYS) / records
    return [
        row | {"request_id": f"r-{n}", "startTime": (_START + n * every).isoformat(timespec="milliseconds"),
               "spend": (n + 1) / 10**6, "api_key": f"key-{n % 1_000}"}
        for n in range(records)
    ]  # fmt: skip


def _allocations(names: int) -> _Answers:
    day = {
        f"namespace-{n}": {"minutes": 1440, "cpuCoreHours": 24.0, "totalCost": (n + 1) / 10**4}
        for n in range(names)
    }
    return lambda asked: Answer({"data": [day if asked.one("window") < "2026-11" else {}]})


def _openai(lines: int) -> _Answers:
    def bucket(day: datetime) -> dict[str, Any]:
        results = [
            {"amount": {"value": (n + 1) / 10**4, "currency": "usd"}, "line_item": "gpt-4o, input",
             "project_id": f"proj-{n}"}
            for n in range(lines)
        ]  # fmt: skip
        return {"start_time": int(day.timestamp()), "results": results}

    def days(asked: Asked) -> tuple[datetime, datetime]:
        start, end = int(asked.one("start_time")), int(asked.one("end_time"))
        return datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)

    return lambda asked: Answer({"data": _buckets(bucket, *days(asked)), "has_more": False})


def _anthropic(lines: int) -> _Answers:
    def bucket(day: datetime) -> dict[str, Any]:
        results = [
            {"currency": "USD", "amount": f"{n}.45", "workspace_id": f"wrkspc-{n}", "description": "Input Tokens"}
            for n in range(lines)
        ]  # fmt: skip
        return {"starting_at": f"{day:%Y-%m-%dT%H:%M:%SZ}", "results": results}

    def days(asked: Asked) -> tuple[datetime, datetime]:
        start, end = (
            datetime.fromisoformat(asked.one(f"{edge}_at")) for edge in ("starting", "ending")
        )
        return start, end

    return lambda asked: Answer({"data": _buckets(bucket, *days(asked)), "has_more": False})


def _buckets(
    bucket: Callable[[datetime], dict[str, Any]], start: datetime, end: datetime
) -> list[dict[str, Any]]:
    """The days of October that were asked for."""
    october = (_START + timedelta(days=n) for n in range(DAYS))
    return [bucket(day) for day in october if start <= day < end]
