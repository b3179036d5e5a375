"""LiteLLM's spend log over HTTP (`/spend/logs/v2`), where its database may not be read.

Owns the way around the endpoint's habits. It counts to 10,000 and no further, so a window that is
capped is halved until it is not; its intervals are closed at both ends, so what is read is filtered
again; its pages have no tie-breaker and shift while rows arrive, so what the pages hold is compared
with the total, and a window that does not add up is halved too.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar

from pydantic import Field

from chargeback.clock import now
from chargeback.days import parse_instant
from chargeback.errors import Invalid, Unavailable
from chargeback.sources.contract import Refusal, Usage, Window, World
from chargeback.sources.http_json import answer, rows_of
from chargeback.sources.litellm_rows import (
    COLUMNS,
    HEALTH_CHECKS,
    INCLUDE_HEALTH_CHECKS,
    METADATA,
    OWNER_TAG,
    OWNER_TAG_EXPECTED,
    TAGS,
    LiteLlm,
    LiteLlmRows,
)
from chargeback.sources.secret_names import bearer
from chargeback.sources.source_config import SourceConfig, WebConfig

PATH = "/spend/logs/v2"
CAP_ROWS = 10_000
MOST_PAGES = 1_000
_SECOND = timedelta(seconds=1)


class LiteLlmHttpConfig(WebConfig):
    """Where the proxy is and who asks.

    The key has to be a `proxy_admin`'s or a `proxy_admin_viewer`'s: any other silently sees only its own rows.
    """

    expected: ClassVar[Mapping[str, str]] = {
        **WebConfig.expected,
        "since": "write the first day to read, like 2026-10-01",
        "owner_tag": OWNER_TAG_EXPECTED,
    }

    since: date = Field(date(2023, 7, 1), description="The first day there can be usage on.")
    owner_tag: str | None = OWNER_TAG
    include_health_checks: bool = INCLUDE_HEALTH_CHECKS
    page_rows: int = Field(1_000, ge=1, le=1_000, description="Rows fetched at a time.")


class LiteLlmHttp(LiteLlm):
    """A LiteLLM proxy as a source of usage: one event per request, the same as from its database."""

    kind: ClassVar[str] = "litellm_http"
    config_class: ClassVar[type[SourceConfig]] = LiteLlmHttpConfig

    def __init__(self, config: LiteLlmHttpConfig, world: World) -> None:
        super().__init__(LiteLlmRows(config.owner_tag, config.currency))
        self.config = config
        self._world = world

    def read(self, window: Window) -> Iterator[Usage | Refusal]:
        """The window's requests, each once, in bounded memory: a part of the window at a time."""
        since = datetime.combine(self.config.since, time(), UTC)
        start, end = max(window.start or since, since), window.end or now()
        not_billed = () if self.config.include_health_checks else HEALTH_CHECKS
        position = 0
        for row in self._rows(start, end):
            if row.get("api_key") not in not_billed:
                position += 1
                yield self._log.usage(position, row)

    def _rows(self, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
        """Each row that starts in [start, end), part by part, each part checked against its total."""
        parts = [(start, end)]
        while parts:
            begin, stop = parts.pop()
            if begin >= stop:
                continue
            first, last = begin.replace(microsecond=0), _second_up(stop)
            found = self._part(first, last)
            if found is not None:
                yield from (row for row in found if _is_in(row, begin, stop))
                continue
            middle = first + (last - first) // 2
            middle = middle.replace(microsecond=0)
            parts += [(middle, stop), (begin, middle)]

    def _part(self, first: datetime, last: datetime) -> list[dict[str, Any]] | None:
        """All rows of the closed interval, or None where it has to be halved to be sure of them."""
        can_halve = last - first > _SECOND
        answered = self._page(first, last, 1)
        total, is_capped = _total(answered)
        if is_capped and can_halve:
            return None
        page = rows_of(answered, "data", self.config.url)
        found: dict[str, dict[str, Any]] = {}
        number = 1
        while True:
            found |= {str(row["request_id"]): row for row in map(self._kept, page)}
            if len(page) < self.config.page_rows:
                break
            number += 1
            if number > MOST_PAGES:
                raise self._incomplete(first, len(found), total)
            answered = self._page(first, last, number)
            page = rows_of(answered, "data", self.config.url)
            total, _ = _total(answered)
        if is_capped or len(found) == total:
            return list(found.values())
        if can_halve:
            return None
        raise self._incomplete(first, len(found), total)

    def _kept(self, row: Any) -> dict[str, Any]:
        """Of a row what usage is made of: its columns and, beside them as the database gives it, its metadata."""
        if not isinstance(row, dict):
            raise Invalid("source_answer", f"The rows of {PATH} are no objects; correct `url`.")
        found = row.get("metadata")
        metadata = found if isinstance(found, dict) else {}
        stated = metadata.get(TAGS)
        return {
            **{name: row.get(name) for name in COLUMNS},
            **{key: metadata.get(key) for key in METADATA},
            TAGS: stated.get(self.config.owner_tag) if isinstance(stated, dict) else None,
        }

    def _page(self, first: datetime, last: datetime, number: int) -> dict[str, Any]:
        asked: dict[str, str | list[str]] = {
            "start_date": f"{first:%Y-%m-%d %H:%M:%S}", "end_date": f"{last:%Y-%m-%d %H:%M:%S}",
            "page": str(number), "page_size": str(self.config.page_rows),
            "sort_by": "startTime", "sort_order": "asc",
        }  # fmt: skip
        return answer(self.config.url, PATH, asked, bearer(self._world, self.config), self._world)

    def _incomplete(self, first: datetime, found: int, total: int) -> Unavailable:
        return Unavailable(
            "source_incomplete",
            f"LiteLLM's pages of the second {first:%Y-%m-%d %H:%M:%S} hold {found} rows and it says "
            f"there are {total}; sync again.",
        )


def _second_up(instant: datetime) -> datetime:
    whole = instant.replace(microsecond=0)
    return whole if whole == instant else whole + _SECOND


def _total(answered: Mapping[str, Any]) -> tuple[int, bool]:
    """How many rows there are, and whether it only says that there are more than it counts."""
    total = answered.get("total")
    if not isinstance(total, int):
        raise Invalid("source_answer", f"The answer of {PATH} has no `total`; correct `url`.")
    return total, bool(answered.get("total_is_capped", total >= CAP_ROWS))


def _is_in(row: Mapping[str, Any], start: datetime, end: datetime) -> bool:
    """Whether the row starts in [start, end); one whose start cannot be read is kept, to be refused."""
    try:
        return start <= parse_instant(row["startTime"]) < end
    except (Invalid, KeyError, TypeError):
        return True
