"""Anthropic's cost report by workspace and description, to compare with what was captured.

Amounts are decimal text in cents. It leaves Priority Tier out, and names no users.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from chargeback import money
from chargeback.errors import Invalid
from chargeback.sources.contract import Contract, Refusal, Role, Usage, Window, World
from chargeback.sources.http_json import answer, pages, rows_of
from chargeback.sources.secret_names import named_secret
from chargeback.sources.source_config import BillConfig, SourceConfig, WebAddress
from chargeback.sources.usage_facts import UsageFacts
from chargeback.sources.whole_days import WholeDaySource, days_of

PATH = "/v1/organizations/cost_report"
VERSION = "2023-06-01"
_MOST_DAYS = 31
# What tells two lines of one workspace and day apart.
_DETAILS = ("description", "cost_type", "model", "token_type", "context_window", "service_tier")
_CALLED = {"external_id": "description", "usage_at": "starting_at", "cost": "amount", "sku": "description",
           "account_id": "workspace_id"}  # fmt: skip


class AnthropicCostsConfig(BillConfig):
    """Whose bill: the token is an admin key of the organisation."""

    url: WebAddress = "https://api.anthropic.com"


class AnthropicCosts(WholeDaySource):
    """A bill as a source: one event per day, workspace and kind of line."""

    kind: ClassVar[str] = "anthropic_costs"
    contract: ClassVar[Contract] = "events"
    roles: ClassVar[tuple[Role, ...]] = ("reconcile_only",)
    config_class: ClassVar[type[SourceConfig]] = AnthropicCostsConfig

    def __init__(self, config: AnthropicCostsConfig, world: World) -> None:
        super().__init__(config.since, config.restated_days)
        self.config = config
        self._world = world
        self._facts = UsageFacts(_CALLED, config.currency)

    def read(self, window: Window) -> Iterator[Usage | Refusal]:
        """What each kind of line of each workspace cost on each day."""
        position = 0
        for start, end in days_of(window, _MOST_DAYS):
            for bucket in self._buckets(start, end):
                for result in rows_of(bucket, "results", self.config.url):
                    position += 1
                    yield self._facts.usage(position, _told(bucket.get("starting_at"), result))

    def _buckets(self, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
        asked: dict[str, str | list[str]] = {
            "starting_at": f"{start:%Y-%m-%dT%H:%M:%SZ}", "ending_at": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            "bucket_width": "1d", "group_by[]": ["workspace_id", "description"], "limit": str(_MOST_DAYS),
        }  # fmt: skip
        token = named_secret(self._world, self.config.token_env, self.config.token_block, "token")
        headers = {"anthropic-version": VERSION, **({"x-api-key": token} if token else {})}
        return pages(
            lambda more: answer(self.config.url, PATH, asked | more, headers, self._world),
            self.config.url,
        )


def _told(starting_at: Any, result: Any) -> Any:
    if not isinstance(result, dict):
        return result
    workspace = result.get("workspace_id")
    details = "/".join(str(result.get(detail) or "") for detail in _DETAILS)
    return {
        "external_id": f"{str(starting_at)[:10]}/{workspace or ''}/{details}",
        "usage_at": starting_at,
        "account_id": workspace,
        "sku": result.get("description"),
        "resource_type": "anthropic",
        "unit": "Days",
        "quantity": 1,
        "cost": _in_currency(result.get("amount")),
        "currency": result.get("currency"),
    }


def _in_currency(cents: Any) -> Any:
    """A hundredth of the amount; what is no number stays as it is, to be refused."""
    try:
        return money.EXACT.scaleb(money.decimal_of(cents), -2)
    except (Invalid, TypeError):
        return cents
