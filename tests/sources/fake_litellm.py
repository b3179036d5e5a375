"""LiteLLM's `/spend/logs/v2` with the habits that were measured on the real handler, and trouble on demand."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from tests.sources.fake_web import Answer, Asked

Row = dict[str, Any]


@dataclass
class FakeLiteLlm:
    """The rows it holds, each with its `startTime` as text, and how it answers.

    It counts to `cap` and no further, though further pages have rows. Both ends of an interval belong
    to it. A time is `2026-10-31` or `2026-10-31 18:00:00`, anything else is refused. Rows are newest
    first unless asked otherwise, and those of one instant come in an order of its own, another for
    each page. `trouble` may change the rows of a page before they are sent.
    """

    rows: list[Row]
    cap: int = 10_000
    key: str | None = None
    trouble: Callable[[int, list[Row]], list[Row]] | None = None
    answered: int = 0
    pages: list[int] = field(default_factory=list)

    def answer(self, asked: Asked) -> Answer:
        """What the endpoint answers."""
        self.answered += 1
        if asked.path != "/spend/logs/v2":
            return Answer({"detail": "Not Found"}, 404)
        if self.key and asked.headers.get("authorization") != f"Bearer {self.key}":
            return Answer({"error": {"message": "Authentication Error", "code": "401"}}, 401)
        try:
            start, end = _instant(asked.one("start_date")), _instant(asked.one("end_date"))
        except ValueError:
            return Answer({"detail": "Invalid date format"}, 400)
        number, size = int(asked.one("page", "1")), int(asked.one("page_size", "50"))
        if not (number >= 1 and 1 <= size <= 1000):
            return Answer({"detail": "page_size"}, 422)
        found = self._found(start, end, is_newest_first=asked.one("sort_order", "desc") == "desc")
        page = found[(number - 1) * size : number * size]
        self.pages.append(number)
        if self.trouble:
            page = self.trouble(self.answered, page)
        total = min(len(found), self.cap)
        return Answer({
            "data": page, "total": total, "page": number, "page_size": size,
            "total_pages": math.ceil(total / size), "total_is_capped": len(found) >= self.cap,
        })  # fmt: skip

    def _found(self, start: datetime, end: datetime, *, is_newest_first: bool) -> list[Row]:
        inside = [row for row in self.rows if start <= started(row) <= end]
        turned = (
            inside[self.answered % max(1, len(inside)) :]
            + inside[: self.answered % max(1, len(inside))]
        )
        return sorted(turned, key=started, reverse=is_newest_first)


def started(row: Row) -> datetime:
    """When the row's request started."""
    return _fromisoformat(row["startTime"])


_fromisoformat = cache(datetime.fromisoformat)


def _instant(text: str) -> datetime:
    form = "%Y-%m-%d" if len(text) == len("2026-10-31") else "%Y-%m-%d %H:%M:%S"
    return datetime.strptime(text, form).replace(tzinfo=UTC)
