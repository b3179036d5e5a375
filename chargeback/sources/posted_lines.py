"""A batch of posted usage: its rows in any of the forms it may come in.

Owns the forms: lines of JSON (one object or CloudEvent each) and CloudEvents in one JSON array. A row that
cannot be booked is kept as it came, with the reason.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from chargeback import exact_json, money, posted_usage
from chargeback.errors import Invalid
from chargeback.identity import public_id
from chargeback.posted_usage import Posted
from chargeback.quoting import quoted
from chargeback.sources.contract import Refusal

LONGEST_SHOWN = 2_000
_EVENT_FIELDS = frozenset({"specversion", "id", "source", "type", "time", "data"})


class Row(NamedTuple):
    """One row of a batch: where it stood, from 1, and the fact it states or why it states none."""

    line: int
    post: Posted | Refusal

    @property
    def usage_id(self) -> str | None:
        """The id the row was sent under, if it can be read."""
        return self.post.external_id if isinstance(self.post, Refusal) else self.post.usage_id


def row_of(line: int, written: bytes, now: datetime, names: str | None) -> Row:
    """The row that a line of JSON states; one without id is named after `names` and its line, if there is any."""
    try:
        value = exact_json.loads(written)
    except Invalid as fault:
        shown = {
            "line": written[:LONGEST_SHOWN].decode("utf-8", "backslashreplace").replace("\0", "")
        }
        return Row(line, Refusal(line, None, None, fault.code, fault.message, shown, None))
    return row_of_value(line, value, now, names)


def row_of_value(line: int, value: Any, now: datetime, names: str | None) -> Row:
    """The row that a JSON value states."""
    try:
        fields = (
            _of_event(value) if isinstance(value, Mapping) and "specversion" in value else value
        )
        post = posted_usage.read(fields, now)
    except Invalid as fault:
        return Row(line, _refusal(line, value, fault))
    if post.usage_id is None and names is not None:
        post = post._replace(usage_id=str(public_id("row", names, str(line))))
    return Row(line, post)


def _of_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """A CloudEvent's data, named by its source and id, which together are unique, and of its time."""
    for name in ("id", "source"):
        if not isinstance(event.get(name), str) or not event[name]:
            raise Invalid(
                "event_invalid",
                f"the CloudEvent's {name} is {quoted(event.get(name))}; give a text.",
            )
    data = event.get("data")
    if not isinstance(data, Mapping):
        raise Invalid(
            "event_invalid", "the CloudEvent has no data; put the usage there as a JSON object."
        )
    said = {"usage_id": f"{event['source']} {event['id']}"}
    if event.get("time") is not None:
        said["timestamp"] = event["time"]
    return {**said, **data}


def _refusal(line: int, value: Any, fault: Invalid) -> Refusal:
    fields = value if isinstance(value, Mapping) else {}
    given = fields.get("usage_id", fields.get("id"))
    usage_id = given[:255] if isinstance(given, str) and given else None
    return Refusal(line, usage_id, None, fault.code, fault.message, _kept(value), _cost(fields))


def _kept(value: Any) -> dict[str, Any]:
    """The row as it is kept for a person; numbers as text, so that no digit is lost."""
    if not isinstance(value, Mapping):
        return {"value": quoted(value)}
    written = exact_json.dumps(value).decode()
    if len(written) > LONGEST_SHOWN:
        return {"value": f"{written[:LONGEST_SHOWN]}..."}
    return {
        str(name): str(one) if isinstance(one, Decimal) else one
        for name, one in value.items()
        if not isinstance(one, dict | list)
    }


def _cost(fields: Mapping[str, Any]) -> Decimal | None:
    try:
        cost = money.decimal_of(fields.get("cost_usd"))
        money.enter(cost)
    except Invalid:
        return None
    return cost
