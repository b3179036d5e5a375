"""The catalogue of bad input: what was sent, and what it is answered.

One entry per thing a client got wrong, or that looks wrong and is right (status below 300). `says` are words that
the sentence has to have, so that it names the thing and what to write instead.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

USED: dict[str, Any] = {"cost_usd": "1", "team_id": "red", "timestamp": "2026-10-05T12:00:00Z"}
BILLED: dict[str, Any] = {
    "team_id": "red",
    "period_start": "2026-10-01",
    "period_end": "2026-10-31",
}
DRAFT = "{draft}"  # the id of a draft of red's
NO_COSTS: list[Any] = [
    "", None, True, "5,50", "1_000", "\u0661\u0662", "NaN", "Infinity", " 1", "1 ", "0x10", "$5", [], {}, "1e1e1",
    "--1", "+-1", ".", "1.2.3",
]  # fmt: skip
NO_TIMES: list[Any] = [
    "2026-02-30T00:00:00Z", "2026-10-05T24:00:01Z", "2026-10-05T10:00:60Z", "infinity", "now", "10:00 IST",
    "0000-01-01T00:00:00Z", "yesterday", 1759660800, ["2026-10-05"], "", "2026-10-05T10:00:00+25:00",
]  # fmt: skip


class Bad(NamedTuple):
    """One request; `says` are words its answer has to have."""

    what: str
    method: str
    path: str
    body: Any
    status: int
    code: str = ""
    says: str = ""
    headers: dict[str, str] = {}


def used(what: str, status: int, code: str = "", says: str = "", **fields: Any) -> Bad:
    """Usage that is right but for `fields`."""
    return Bad(what, "POST", "/usage", USED | fields, status, code, says)


def raw(
    what: str, body: str | bytes, status: int, code: str = "", says: str = "", **headers: str
) -> Bad:
    """A body as it is, to /usage."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Bad(what, "POST", "/usage", body, status, code, says, named)


def get(what: str, path: str, status: int, code: str = "", says: str = "") -> Bad:
    """A question."""
    return Bad(what, "GET", path, None, status, code, says)


def requests() -> Iterator[Bad]:
    """What is wrong whatever it is about."""
    yield raw("an empty body", "", 400, "body_empty")
    yield raw("no JSON", '{"cost_usd": 1,}', 400, "json_invalid", "line 1")
    yield raw("a list", "[]", 400, "body_invalid", "object")
    yield raw("a text", '"x"', 400, "body_invalid")
    yield raw(
        "a key twice", '{"cost_usd": 1, "cost_usd": 2}', 400, "json_duplicate_key", "cost_usd"
    )
    yield raw("NaN", '{"cost_usd": NaN}', 400)
    yield raw("Infinity", '{"cost_usd": -Infinity}', 400)
    yield raw("1e400", '{"cost_usd": 1e400}', 400)
    yield raw("1e-400 is a residual", '{"cost_usd": 1e-400}', 201)
    yield raw("1e-4000", '{"cost_usd": 1e-4000}', 400)
    yield raw("ten thousand digits", '{"cost_usd": 1' + "0" * 10_000 + "}", 400)
    yield raw(
        "a thousand levels", '{"metadata":' + '{"a":' * 1000 + "1" + "}" * 1001, 400, "too_deep"
    )
    yield raw("a hundred thousand lists", "[" * 100_000, 400)
    yield raw(
        "more than 10 MB", '{"metadata": {"a": "' + "x" * (10 << 20) + '"}}', 413, "body_too_large"
    )
    yield raw("plain text", "{}", 415, Content_Type="text/plain")
    yield raw("a form", "cost_usd=1", 415, Content_Type="application/x-www-form-urlencoded")
    yield raw("gzip", b"\x1f\x8b\x08", 415, Content_Encoding="gzip")
    yield raw("an unknown packing", b"{}", 415, Content_Encoding="br")
    yield raw("UTF-16", '{"cost_usd": 1}'.encode("utf-16"), 400)
    yield raw("no UTF-8", b'{"team_id": "\xff"}', 400, "body_not_utf8", "byte 13")
    yield raw("a byte order mark", b'\xef\xbb\xbf{"cost_usd": 1}', 201)
    yield raw("NUL in an id", '{"cost_usd": 1, "team_id": "a\\u0000b"}', 400)
    yield raw("NUL in a note", '{"cost_usd": 1, "metadata": {"a": "\\u0000"}}', 400)
    yield raw("NUL in a key", '{"cost_usd": 1, "metadata": {"\\u0000": 1}}', 400)
    yield raw("half a character", '{"cost_usd": 1, "team_id": "\\ud800"}', 400)
    yield used("an unknown field", 400, "field_unknown", "did you mean cost_usd", cost_used=1)
    yield Bad("a wrong method", "DELETE", "/usage", None, 405, "method_not_allowed")
    yield Bad(
        "invoices are not deleted", "DELETE", f"/invoices/{DRAFT}", None, 405, "method_not_allowed"
    )
    yield get("an unknown path", "/usages", 404, "path_unknown")
    for limit in ("0", "-1", "1000000000", "x", "1.5", ""):
        yield get(f"limit={limit}", f"/invoices?limit={limit}", 400, says="limit")
    for cursor in ("x", "%00", "e30", "WyIxIl0x", "W10"):
        for path in ("/invoices", "/usage", "/allocation-rules", "/audit"):
            yield get(f"cursor={cursor} of {path}", f"{path}?cursor={cursor}", 400)
    yield get(
        "a cursor beyond numbers",
        "/audit?cursor=WyI5OTk5OTk5OTk5OTk5OTk5OTk5OTkiXQ",
        400,
        "cursor_invalid",
    )
    yield get("an unknown parameter", "/invoices?sort=x", 400, "parameter_unknown", "sort")
    yield get("a misspelt parameter", "/invoices?team=red", 400, "parameter_unknown", "team_id")
    yield get("a parameter twice", "/invoices?limit=1&limit=2", 400, "parameter_repeated")
    yield get("% in a filter is itself", "/invoices?team_id=%25", 200)
    yield get("SQL in a filter is itself", "/invoices?team_id=%27%20OR%201%3D1--", 200)
    yield get("NUL in a filter", "/invoices?team_id=a%00", 400)
    yield get("no UTF-8 in a filter", "/invoices?team_id=%ff", 200)
    yield get("an unknown status", "/invoices?status=zzz", 400)
    yield get("an unknown kind", "/invoices?kind=bill", 400)
    yield get("NUL in a path", "/invoices/a%00b", 404)
    yield get("a path of 5,000 characters", "/invoices/" + "x" * 5000, 404)
    yield get("a path that climbs", "/invoices/..%2f..%2fetc%2fpasswd", 404)
    yield get("an audit period that is none", "/audit?period=2026-13", 400)


def usages() -> Iterator[Bad]:
    """What usage cannot say, or may."""
    yield used("cost as text", 201, cost_usd="5.50")
    for value in NO_COSTS:
        yield used(f"cost_usd {value!r}", 400, says="cost_usd", cost_usd=value)
    yield used("cost beyond the ledger", 400, says="cost_usd", cost_usd="1e21")
    yield used("cost of more decimals than the ledger's", 201, cost_usd="0.30000000000000004000001")
    yield used("a negative cost", 201, cost_usd=-5)
    yield used("a cost of -0.0", 201, cost_usd="-0.0")
    yield used("a negative quantity of a positive cost", 400, says="quantity", quantity=-1)
    yield used("a quantity that is no number", 400, says="quantity", quantity="many")
    yield used("no quantity", 201, quantity=None)
    yield used("an id of 255 characters", 201, team_id="x" * 255)
    yield used("an id of 256 characters", 400, "id_invalid", "255", team_id="x" * 256)
    yield used("an id in spaces", 400, "id_invalid", "spaces", team_id=" red ")
    yield used("a blank id", 400, "id_invalid", "blank", user_id="  ")
    yield used("an id that is a number", 400, "id_invalid", "text", agent_id=7)
    yield used("an id that is a list", 400, "id_invalid", "text", user_id=["ana"])
    yield used("neither team nor user", 201, team_id=None)
    yield used("markup in an id", 201, team_id="<script>alert(1)</script>")
    yield used("an unknown resource type", 201, resource_type="quantum")
    yield used("an empty resource type", 400, "id_invalid", "resource_type", resource_type="")
    for value in NO_TIMES:
        yield used(f"timestamp {value!r}", 400, timestamp=value)
    yield used("a time far in the future", 400, says="years", timestamp="2999-01-01T00:00:00Z")
    yield used("a day too far", 400, says="future", timestamp="2199-01-01T00:00:00Z")
    yield used("the last year there is", 400, timestamp="9999-12-31T23:59:59Z")
    yield used("a time without offset is UTC", 201, timestamp="2026-10-05T10:00:00")
    yield used("nanoseconds", 201, timestamp="2026-10-05T10:00:00.123456789Z")
    yield used("metadata of 70 KB", 400, "metadata_invalid", "64 KB", metadata={"a": "x" * 70_000})
    yield used("metadata that is a list", 400, "metadata_invalid", "object", metadata=[1])
    yield used("a key of some languages", 201, metadata={"__proto__": {"x": 1}, "constructor": 1})
    yield used("a usage_id of 256 characters", 400, "usage_id_invalid", "255", usage_id="x" * 256)
    yield used("an empty usage_id", 400, "usage_id_invalid", usage_id="")
    yield used("any usage_id is kept", 201, usage_id=" /%2F?#\u00e9\U0001f600 ")
    yield used("the same id and content", 200, usage_id="held")
    yield used("the same id and another cost", 409, says="held", usage_id="held", cost_usd=2)
    yield get("an unknown agent", "/usage?agent_id=nobody", 200)
    yield get("a summary without a period", "/usage/summary", 400, says="period_start")
    yield get(
        "a summary of half a period",
        "/usage/summary?period_start=2026-10-01",
        400,
        says="period_end",
    )
