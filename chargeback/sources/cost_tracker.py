"""The cost tracker: calls with an id of their own, read from its export endpoint or from a file.

Owns which delivery to ask for and the window. The tracker filters by comparing text, closed at both
ends, so it is asked for a day more and filtered again here. Owns no check on a row
(`tracker_rows`) and no transport (`delivery`, `http_delivery`).
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from io import TextIOBase
from typing import IO, Any, ClassVar

import httpx

from chargeback.sources.contract import ROLES, Contract, Refusal, Role, Usage, Window, World
from chargeback.sources.cost_tracker_config import CostTrackerConfig
from chargeback.sources.csv_records import csv_rows
from chargeback.sources.delivery import as_text, chunks_of, is_large_file, steady_file
from chargeback.sources.http_delivery import fetched, shown
from chargeback.sources.json_records import json_records
from chargeback.sources.secret_names import named_secret
from chargeback.sources.source_config import SourceConfig
from chargeback.sources.tracker_checks import COLUMNS, checked, misfit
from chargeback.sources.tracker_rows import TrackerRows

_MEDIA_TYPES = {
    "json": frozenset({"application/json", "text/json", "text/plain", "application/octet-stream"}),
    "csv": frozenset(
        {"text/csv", "application/csv", "text/plain", "application/octet-stream"}
        | {"application/vnd.ms-excel"}
    ),
}
_FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
_LAST_INSTANT = datetime.max.replace(tzinfo=UTC)


class CostTracker:
    """A cost tracker as a source of usage (contract `events`).

    Its records live in its memory: a restart empties it, so what an export no longer has is not
    gone from what happened.
    """

    kind: ClassVar[str] = "cost_tracker"
    contract: ClassVar[Contract] = "events"
    roles: ClassVar[tuple[Role, ...]] = ROLES
    config_class: ClassVar[type[SourceConfig]] = CostTrackerConfig

    def __init__(self, config: CostTrackerConfig, world: World) -> None:
        self.config = config
        self._world = world

    def plan(self, window: Window) -> Window:
        """A file costs the same whatever is asked of it, so all of it is read; HTTP filters."""
        return window if self.config.path is None else Window(None, None)

    def read(self, window: Window) -> Iterator[Usage | Refusal]:
        """The usage in the window, and every row that is none, in the tracker's order.

        Over HTTP the answer is complete before the first row. A file is read as it is used and
        may turn out cut, or changed meanwhile, after rows were delivered: then it raises, and
        nothing of it is to be believed until it is read again.
        """
        start, end = window.start or _FIRST_INSTANT, window.end or _LAST_INSTANT
        with self._delivered(window) as file, as_text(file, self.name) as text:
            for found in self._found(text):
                usage_at = found.usage_at
                if usage_at is None or start <= usage_at < end:
                    yield found

    @property
    def is_large(self) -> bool:
        """A file of many rows; an answer over HTTP is never so long."""
        return self.config.path is not None and is_large_file(self._world.root / self.config.path)

    def read_row(self, position: int, row: Mapping[str, Any]) -> Usage | Refusal:
        """What a refused row means once it was mended."""
        return checked(position, dict(row), self.config.owner_tag)

    @property
    def name(self) -> str:
        """What messages call this source: its file or its address, without anything secret."""
        return self.config.path or shown(httpx.URL(self.config.url or ""))

    def _found(self, text: TextIOBase) -> Iterator[Usage | Refusal]:
        rows = TrackerRows(self.config.owner_tag)
        if self.config.form == "json":
            for position, record in enumerate(json_records(chunks_of(text), self.name), 1):
                yield rows.of_record(position, record)
            return
        for line, cells, written in csv_rows(text, tuple(COLUMNS), self.name):
            if cells is None:
                yield misfit(line, len(COLUMNS), written)
            else:
                yield rows.of_cells(line, cells)

    def _delivered(self, window: Window) -> AbstractContextManager[IO[bytes]]:
        if self.config.path is not None:
            return steady_file(self._world.root / self.config.path, self.config.path)
        url = httpx.URL(self.config.url or "").copy_merge_params(self._asked(window))
        media_types = _MEDIA_TYPES[self.config.form]
        return fetched(url, self._headers(), media_types, self._world)

    def _asked(self, window: Window) -> dict[str, str]:
        """The query for everything in the window.

        '2026-10-31' as `end_date` would drop the whole 31st: '2026-10-31T…' sorts after it.
        """
        asked: dict[str, str] = {"format": self.config.form}
        if window.start is not None:
            asked["start_date"] = _utc_date(window.start).isoformat()
        if window.end is not None and _utc_date(window.end) < date.max:
            asked["end_date"] = (_utc_date(window.end) + timedelta(days=1)).isoformat()
        return asked

    def _headers(self) -> dict[str, str]:
        headers = {"accept": "application/json" if self.config.form == "json" else "text/csv"}
        token = named_secret(self._world, self.config.token_env, self.config.token_block, "token")
        if token:
            headers["authorization"] = f"Bearer {token}"
        return headers


def _utc_date(instant: datetime) -> date:
    return instant.astimezone(UTC).date()
