"""Usage by the batch: lines of JSON or CloudEvents, read as they come, each row answered.

Owns the streaming: some thousand rows at a time are booked while the next ones arrive, and the answers wait in
a file until the last row is in, because most clients read no answer before they have sent all.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import IO, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse

from chargeback import clock, exact_json
from chargeback.errors import Invalid, TooLarge, UnsupportedMedia
from chargeback.identity import public_id
from chargeback.ledger import post_batches
from chargeback.ledger.post_batches import Prepared
from chargeback.quoting import quoted
from chargeback.sources import posted_lines
from chargeback.sources.posted_lines import Row
from entrypoints.api import usage_shapes
from entrypoints.api.access import Runner
from entrypoints.api.answers import JSON
from entrypoints.api.documented import WRITING, answers
from entrypoints.api.requests_in import (
    LARGEST_BODY_BYTES,
    Route,
    body_bytes,
    idempotency_key,
    limited,
    media_type,
)
from entrypoints.api.threads import in_thread

routes = APIRouter(tags=["usage"], route_class=Route)
LINES: Final = ("application/x-ndjson", "application/jsonl", "application/json-lines")
EVENTS: Final = "application/cloudevents-batch+json"
ROWS_AT_ONCE: Final = 10_000
LARGEST_BATCH_BYTES: Final = 2 * 2**30
LONGEST_LINE_BYTES: Final = 2**20
_IN_MEMORY_BYTES: Final = 8 * 2**20
_OUTCOMES: Final = ("new", "unchanged", "changed", "quarantined")
_EXAMPLE = '{"cost_usd": 5.5, "team_id": "team-123", "usage_id": "call-1"}\n{"cost_usd": 1, "usage_id": "call-2"}\n'
_EVENT = {
    "specversion": "1.0",
    "id": "call-1",
    "source": "gateway",
    "type": "usage",
    "data": {"cost_usd": 5.5},
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            LINES[0]: {"schema": {"type": "string"}, "example": _EXAMPLE},
            EVENTS: {"schema": {"type": "array", "items": {"type": "object"}}, "example": [_EVENT]},
        },
    }
}


@routes.post(
    "/usage/batch", responses=answers(usage_shapes.BatchAnswer, WRITING), openapi_extra=_BODY
)
async def record_batch(request: Request, caller: Runner) -> Response:
    """Record usage by the batch: one JSON object or CloudEvent per line, or CloudEvents in an array.

    Each row is answered: new, unchanged, changed or quarantined. Rows are booked in parts of some thousand,
    so a batch that was cut can be sent again: what is held is unchanged. With an Idempotency-Key the rows
    without `usage_id` have an id of the caller, their key and line, so the same holds for them.
    """
    key = idempotency_key(request)
    answering = Answering(clock.now(), public_id("batch", caller.keeper, key) if key else None)
    try:
        await _book(_parts(request, answering), answering)
        if not sum(answering.counts.values()):
            raise Invalid("body_empty", "the batch has no rows; send at least one.")
    except BaseException:
        answering.close()
        raise
    return StreamingResponse(
        answering.written(), media_type=JSON, background=BackgroundTask(answering.close)
    )


async def _book(parts: AsyncIterator[Sequence[Row]], answering: "Answering") -> None:
    """Book the parts one after the other, each while the next one is read and prepared."""
    booking: asyncio.Task[None] | None = None
    try:
        async for rows in parts:
            if booking is not None and post_batches.leans_on_what_is_held(rows):
                await booking
            part = await in_thread(partial(post_batches.prepare, rows, answering.now))
            if booking is not None:
                await booking
            booking = asyncio.create_task(in_thread(partial(answering.book, part)))
    finally:
        if booking is not None:
            await booking


class Answering:
    """What is known of a batch while it is read."""

    def __init__(self, now: datetime, named: UUID | None) -> None:
        self.now = now
        # What rows without an id are named after, each with its line.
        self.named = str(named) if named else None
        self.counts: Counter[str] = Counter()
        self._first_batch_id: int | None = None
        self._answers: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115

    def row(self, line: int, written: bytes) -> Row:
        """The row of a line."""
        return posted_lines.row_of(line, written, self.now, self.named)

    def book(self, part: Prepared) -> None:
        """Book a part of the batch, and keep its answers."""
        loaded = post_batches.book(part, self.now, self._first_batch_id)
        self._first_batch_id = self._first_batch_id or loaded.batch_id
        for told in loaded.told:
            self._answers.write(b"," if self.counts else b"")
            self._answers.write(exact_json.dumps(told))
            self.counts[told.outcome] += 1

    def close(self) -> None:
        """Let go of the answers."""
        self._answers.close()

    def written(self) -> Iterator[bytes]:
        """The whole answer."""
        self._answers.seek(0)
        yield b'{"rows":['
        while part := self._answers.read(1 << 16):
            yield part
        counts = {"received": sum(self.counts.values())}
        counts |= {outcome: self.counts[outcome] for outcome in _OUTCOMES}
        yield b"]," + exact_json.dumps(counts)[1:]


async def _parts(request: Request, answering: Answering) -> AsyncIterator[Sequence[Row]]:
    kind = media_type(request)
    if kind in LINES:
        async for rows in _lines(request, answering):
            yield rows
    elif kind == EVENTS:
        events = exact_json.loads(await body_bytes(request, LARGEST_BODY_BYTES))
        if not isinstance(events, list):
            raise Invalid("events_invalid", "the body is no JSON array; send CloudEvents in one.")
        for start in range(0, len(events), ROWS_AT_ONCE):
            part = enumerate(events[start : start + ROWS_AT_ONCE], start + 1)
            yield [
                posted_lines.row_of_value(line, value, answering.now, answering.named)
                for line, value in part
            ]
    else:
        raise UnsupportedMedia(
            "not_a_batch",
            f"the body is {quoted(kind)}; send lines of JSON as {LINES[0]}, or CloudEvents as {EVENTS}.",
        )


async def _lines(request: Request, answering: Answering) -> AsyncIterator[Sequence[Row]]:
    """The rows of the lines, some thousand at a time; blank lines are none."""
    waiting: list[tuple[int, bytes]] = []
    line, rest = 0, b""
    async for part in _with_end(limited(request, LARGEST_BATCH_BYTES)):
        *whole, rest = (rest + part).split(b"\n")
        if len(rest) > LONGEST_LINE_BYTES:
            raise TooLarge(
                "line_too_long",
                f"line {line + len(whole) + 1} is longer than 1 MB; send shorter ones.",
            )
        for written in whole:
            line += 1
            if written.strip():
                waiting.append((line, written))
        while len(waiting) >= ROWS_AT_ONCE:
            ready, waiting = waiting[:ROWS_AT_ONCE], waiting[ROWS_AT_ONCE:]
            yield await in_thread(lambda ready=ready: _read(answering, ready))  # type: ignore[misc]
    if waiting:
        yield await in_thread(lambda: _read(answering, waiting))


def _read(answering: Answering, lines: Sequence[tuple[int, bytes]]) -> Sequence[Row]:
    return [answering.row(line, written) for line, written in lines]


async def _with_end(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The parts, and a line's end after the last."""
    async for part in parts:
        yield part
    yield b"\n"
