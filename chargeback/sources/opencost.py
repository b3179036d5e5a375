"""OpenCost (and Kubecost): what each namespace, controller or label of a cluster cost, day by day.

Usually `weights`: shares by which a cloud's bill is split. Owns the question, the reserved names and
what counts as quantity. One day is one question, so that memory stays bounded and days can be
restated: a name's day is one event, told again whenever its cloud bill corrects it.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from chargeback.sources.contract import Contract, Refusal, Role, Usage, Window, World
from chargeback.sources.http_json import answer, rows_of
from chargeback.sources.row_checks import no_object
from chargeback.sources.secret_names import bearer
from chargeback.sources.source_config import SourceConfig, WebConfig
from chargeback.sources.usage_facts import UsageFacts
from chargeback.sources.whole_days import WholeDaySource, days_of

_CALLED = {"external_id": "name", "usage_at": "window", "cost": "totalCost"}
_MEASURES = {
    "cost": ("totalCost", None),
    "minutes": ("minutes", "Minutes"),
    "cpu_core_hours": ("cpuCoreHours", "CPU core hours"),
    "gpu_hours": ("gpuHours", "GPU hours"),
    "ram_byte_hours": ("ramByteHours", "RAM byte hours"),
}


class OpenCostConfig(WebConfig):
    """Where OpenCost's allocation interface is, and what its names stand for."""

    expected: ClassVar[Mapping[str, str]] = {
        **WebConfig.expected,
        "since": "write the first day to read, like 2026-10-01",
        "cluster": "write the cluster's name",
        "aggregate": "write namespace, controller or label:team",
        "measure": f"write one of {', '.join(_MEASURES)}",
    }

    api_path: str = Field(
        "/allocation",
        pattern=r"^/[A-Za-z0-9/_.-]*$",
        description="`/model/allocation` for Kubecost.",
    )
    cluster: str = Field(
        pattern=r"^[A-Za-z0-9_.:-]{1,63}$", description="Which cluster it tells of."
    )
    since: date = Field(description="The first day to read.")
    restated_days: int = Field(3, ge=0, le=92, description="Days before the window read again.")
    aggregate: str = Field("namespace", pattern=r"^[A-Za-z0-9_.:,/-]{1,200}$")
    names_are: Literal["account", "team"] = Field("account", description="What a name stands for.")
    measure: Literal["cost", "minutes", "cpu_core_hours", "gpu_hours", "ram_byte_hours"] = Field(
        "cost", description="What counts as quantity, by which `weights` split."
    )
    include_idle: bool = Field(True, description="Whether unused capacity is told as `__idle__`.")


class OpenCost(WholeDaySource):
    """A cluster's allocations as a source: one event per name and day."""

    kind: ClassVar[str] = "opencost"
    contract: ClassVar[Contract] = "events"
    roles: ClassVar[tuple[Role, ...]] = ("weights", "allocate", "reconcile_only")
    config_class: ClassVar[type[SourceConfig]] = OpenCostConfig

    def __init__(self, config: OpenCostConfig, world: World) -> None:
        super().__init__(config.since, config.restated_days)
        self.config = config
        self._world = world
        self._facts = UsageFacts(_CALLED, config.currency, may_be_negative=True)

    def read(self, window: Window) -> Iterator[Usage | Refusal]:
        """What each name cost on each day."""
        position = 0
        for start, end in days_of(window, 1):
            for name, allocation in self._allocations(start, end):
                position += 1
                if isinstance(allocation, dict):
                    yield self._facts.usage(position, self._told(start, name, allocation))
                else:
                    yield no_object(position, allocation)

    def _allocations(self, start: datetime, end: datetime) -> Iterator[tuple[str, Any]]:
        asked: dict[str, str | list[str]] = {
            "window": f"{start:%Y-%m-%dT%H:%M:%SZ},{end:%Y-%m-%dT%H:%M:%SZ}", "step": "1d",
            "accumulate": "false", "aggregate": self.config.aggregate,
            "includeIdle": str(self.config.include_idle).lower(),
        }  # fmt: skip
        headers = bearer(self._world, self.config)
        found = answer(self.config.url, self.config.api_path, asked, headers, self._world)
        for allocations in rows_of(found, "data", self.config.url):
            # A day without anything is an empty set, or none.
            yield from (allocations or {}).items()

    def _told(self, day: datetime, name: str, allocation: Mapping[str, Any]) -> dict[str, Any]:
        field, unit = _MEASURES[self.config.measure]
        is_team = self.config.names_are == "team" and not name.startswith("__")
        return {
            "external_id": f"{self.config.cluster}/{day:%Y-%m-%d}/{name}",
            "usage_at": day,
            "team_id": name if is_team else None,
            "account_id": None if is_team else name,
            "resource_type": "kubernetes",
            "unit": unit or self.config.currency,
            "quantity": allocation.get(field),
            "cost": allocation.get("totalCost"),
        }
