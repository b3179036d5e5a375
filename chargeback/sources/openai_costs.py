"""OpenAI's bill by project and line item, to compare with what was captured; it names no users."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from chargeback.errors import Invalid
from chargeback.sources.contract import Contract, Refusal, Role, Usage, Window, World
from chargeback.sources.http_json import answer, pages, rows_of
from chargeback.sources.secret_names import bearer
from chargeback.sources.source_config import BillConfig, SourceConfig, WebAddress
from chargeback.sources.usage_facts import UsageFacts
from chargeback.sources.whole_days import WholeDaySource, days_of

PATH = "/v1/organization/costs"
_MOST_DAYS = 31
_CALLED = {"external_id": "line_item", "usage_at": "start_time", "cost": "amount.value", "sku": "line_item",
           "account_id": "project_id", "currency": "amount.currency"}  # fmt: skip


class OpenAiCostsConfig(BillConfig):
    """Whose bill: the token is an admin key of the organisation."""

    url: WebAddress = "https://api.openai.com"


class OpenAiCosts(WholeDaySource):
    """A bill as a source: one event per day, project and line item, told again when it is restated."""

    kind: ClassVar[str] = "openai_costs"
    contract: ClassVar[Contract] = "events"
    roles: ClassVar[tuple[Role, ...]] = ("reconcile_only",)
    config_class: ClassVar[type[SourceConfig]] = OpenAiCostsConfig

    def __init__(self, config: OpenAiCostsConfig, world: World) -> None:
        super().__init__(config.since, config.restated_days)
        self.config = config
        self._world = world
        self._facts = UsageFacts(_CALLED, config.currency)

    def read(self, window: Window) -> Iterator[Usage | Refusal]:
        """What each line item of each project cost on each day."""
        position = 0
        for start, end in days_of(window, _MOST_DAYS):
            for bucket in self._buckets(start, end):
                for result in rows_of(bucket, "results", self.config.url):
                    position += 1
                    yield self._facts.usage(position, _told(bucket, result))

    def _buckets(self, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
        asked: dict[str, str | list[str]] = {
            "start_time": str(int(start.timestamp())), "end_time": str(int(end.timestamp())), "bucket_width": "1d",
            "group_by": ["project_id", "line_item"], "limit": str(_MOST_DAYS),
        }  # fmt: skip
        headers = bearer(self._world, self.config)
        return pages(
            lambda more: answer(self.config.url, PATH, asked | more, headers, self._world),
            self.config.url,
        )


def _told(bucket: Mapping[str, Any], result: Any) -> Any:
    if not isinstance(result, dict):
        return result
    amount = result.get("amount")
    amount = amount if isinstance(amount, dict) else {}
    project, item = result.get("project_id"), result.get("line_item")
    day = _day(bucket)
    return {
        "external_id": f"{day:%Y-%m-%d}/{project or ''}/{item or ''}",
        "usage_at": day,
        "account_id": project,
        "sku": item,
        "resource_type": "openai",
        "unit": "Days",
        "quantity": 1,
        "cost": amount.get("value"),
        "currency": amount.get("currency"),
    }


def _day(bucket: Mapping[str, Any]) -> datetime:
    start = bucket.get("start_time")
    if not isinstance(start, int) or not 0 <= start < 2**33:
        raise Invalid("source_answer", f"A bucket of {PATH} has no `start_time`; correct `url`.")
    return datetime.fromtimestamp(start, UTC)
