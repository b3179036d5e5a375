"""Usage that is pushed: NDJSON or a JSON list, of records in the ledger's own words or of CloudEvents 1.0.

Owns what such a record may say, for the command line and the HTTP door alike. Nothing is fetched: a
source of this kind is read when something arrives.
"""

from collections.abc import Iterator, Mapping
from io import TextIOBase
from typing import Any, ClassVar

from chargeback.errors import Invalid
from chargeback.sources.contract import ROLES, Contract, Refusal, Role, Usage, Window, World
from chargeback.sources.delivery import chunks_of
from chargeback.sources.json_lines import json_lines
from chargeback.sources.json_records import json_records
from chargeback.sources.source_config import SourceConfig
from chargeback.sources.usage_facts import FACTS, FactsSource, UsageFacts

# Other words for facts, those of the cost tracker and of the HTTP interface.
_ALSO = {"cost_usd": "cost", "timestamp": "usage_at", "model": "sku"}
_UNIT = "Units"


class PushConfig(SourceConfig):
    """Pushed usage needs no settings but its currency."""


class Push(FactsSource):
    """Usage that its tracker pushes: one event per record."""

    kind: ClassVar[str] = "push"
    contract: ClassVar[Contract] = "events"
    roles: ClassVar[tuple[Role, ...]] = ROLES
    config_class: ClassVar[type[SourceConfig]] = PushConfig

    def __init__(self, config: PushConfig, _world: World) -> None:
        self.config = config
        self._facts = UsageFacts({}, config.currency)

    def plan(self, _window: Window) -> Window:
        """There is nothing to read and so nothing to miss."""
        return Window(None, None)

    @property
    def is_large(self) -> bool:
        """There is nothing to read."""
        return False

    def read(self, _window: Window) -> Iterator[Usage | Refusal]:
        """Nothing: what was pushed has been taken when it came."""
        return iter(())

    def pushed(self, text: TextIOBase, name: str) -> Iterator[Usage | Refusal]:
        """The usage in a batch: one record per line, or a JSON list of records, told by its beginning."""
        for position, record in _records(text, name):
            yield record if isinstance(record, Refusal) else self.usage(position, record)

    def usage(self, position: int, record: Any) -> Usage | Refusal:
        """What one record or CloudEvent means."""
        if isinstance(record, Mapping) and "specversion" in record:
            record = _of_event(record)
        elif isinstance(record, Mapping):
            record = _of_record(record)
        return self._facts.usage(position, record)


class Batch:
    """One batch that was pushed, to be read like any delivery."""

    is_large = False

    def __init__(self, source: Push, text: TextIOBase, name: str) -> None:
        self._source, self._text, self._name = source, text, name

    def read(self, _window: Window) -> Iterator[Usage | Refusal]:
        """The usage in it."""
        return self._source.pushed(self._text, self._name)


def _records(text: TextIOBase, name: str) -> Iterator[tuple[int, Any]]:
    head = text.read(1)
    while head and head.isspace():
        head = text.read(1)
    text.seek(0)
    if not head:
        raise Invalid("delivery_empty", f"{name} is empty; push one record per line.")
    if head == "[":
        return enumerate(json_records(chunks_of(text), name), 1)
    return json_lines(text, name)


def _of_record(record: Mapping[str, Any]) -> dict[str, Any]:
    facts = {_ALSO.get(key, key): value for key, value in record.items()}
    return {"unit": _UNIT} | {key: facts[key] for key in (*FACTS, "tokens") if key in facts}


def _of_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a CloudEvent: its source and id name it, its subject is the user unless its data say who."""
    data = event.get("data")
    facts = _of_record(data) if isinstance(data, Mapping) else {}
    origin, event_id = event.get("source"), event.get("id")
    named = {} if not origin or not event_id else {"external_id": f"{origin}|{event_id}"}
    around = {
        "usage_at": event.get("time"),
        "user_id": event.get("subject"),
        "resource_type": event.get("type"),
    }
    return around | {key: value for key, value in facts.items() if key != "external_id"} | named
