"""Usage by the batch: each row is answered, the good ones are booked, the others kept."""

import json
from decimal import Decimal
from typing import Any

from chargeback.clock import now
from chargeback.ledger import tokens
from chargeback.ledger.database import transaction
from models.enums import TokenRole
from tests.entrypoints.api.door import JANUARY, Door

LINES = {"Content-Type": "application/x-ndjson"}
EVENTS = {"Content-Type": "application/cloudevents-batch+json"}
AT = "2024-01-05T12:00:00Z"


def send(door: Door, *rows: Any, status: int = 200, key: str | None = None) -> Any:
    body = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    return door.post(
        "/usage/batch", body, status, headers=LINES | ({"Idempotency-Key": key} if key else {})
    )


def test_each_row_of_a_batch_is_answered(door: Door) -> None:
    door.use("3", usage_id="held")
    found = send(
        door,
        {"cost_usd": 1.5, "usage_id": "a", "timestamp": AT},
        {"cost_usd": 3, "usage_id": "held", "timestamp": AT},
        "",
        {"cost_usd": 3, "usage_id": "held"},
        {"cost_usd": 4, "usage_id": "held", "timestamp": AT},
        "{not json",
        {"cost_usd": "x", "usage_id": "b"},
        {"cost_used": 1},
    )
    rows = [(row["line"], row["usage_id"], row["outcome"], row["code"]) for row in found["rows"]]
    assert rows == [
        (1, "a", "new", None),
        (2, "held", "unchanged", None),
        (4, "held", "unchanged", None),
        (5, "held", "quarantined", "repeated"),
        (6, None, "quarantined", "json_invalid"),
        (7, "b", "quarantined", "cost_invalid"),
        (8, None, "quarantined", "field_unknown"),
    ]
    assert (found["received"], found["new"], found["unchanged"], found["quarantined"]) == (
        7,
        1,
        2,
        4,
    )
    summary = door.get("/usage/summary", **JANUARY)["summary"]
    assert summary["total_cost_usd"] == Decimal("4.5")


def test_a_changed_row_is_reversed_and_booked_as_its_next_revision(door: Door) -> None:
    door.use("3", usage_id="a", team_id="t")
    door.post("/allocate", JANUARY)
    found = send(door, {"cost_usd": 5, "usage_id": "a", "team_id": "t", "timestamp": AT})
    assert [row["outcome"] for row in found["rows"]] == ["changed"]
    for _ in range(2):
        listed = door.get("/usage", team_id="t")["usage"]
        revisions = sorted((one["revision"], one["cost_usd"]) for one in listed)
        assert revisions == [(1, 3), (2, -3), (3, 5)]
        noon = {"period_start": "2024-01-05T11:00:00Z", "period_end": "2024-01-05T13:00:00Z"}
        assert door.get("/usage/summary", **noon)["summary"]["total_cost_usd"] == 5
        (share,) = door.post("/allocate", JANUARY)["allocations"]
        assert share["total_cost_usd"] == 5
    door.post("/usage", {"cost_usd": 5, "usage_id": "a", "team_id": "t"}, 200)


def test_a_batch_sent_again_under_its_key_changes_nothing(door: Door) -> None:
    rows = [{"cost_usd": 1, "timestamp": AT}, {"cost_usd": 1, "timestamp": AT}]
    assert send(door, *rows, key="k")["new"] == 2
    assert send(door, *rows, key="k")["unchanged"] == 2
    assert send(door, *rows)["new"] == 2


def test_a_key_is_its_callers_own(door: Door) -> None:
    """Two clients number their batches alike; neither's rows are taken for the other's."""
    with transaction() as connection:
        made = [
            tokens.create(connection, name, TokenRole.OPERATOR, None, 1, now(), "tester")[1]
            for name in ("gateway-1", "gateway-2")
        ]
    told = []
    for token, cost in zip(made, (1, 2), strict=True):
        door.client.headers["Authorization"] = f"Bearer {token}"
        told += [send(door, {"cost_usd": cost, "timestamp": AT}, key="batch-1") for _ in "ab"]
    assert [(answer["new"], answer["unchanged"]) for answer in told] == [(1, 0), (0, 1)] * 2


def test_cloud_events_are_named_by_source_and_id(door: Door) -> None:
    def event(source: str) -> dict[str, Any]:
        return {"specversion": "1.0", "type": "usage", "id": "1", "source": source, "time": AT,
                "data": {"cost_usd": 2.25, "team_id": "a", "metadata": {"trace": "t"}}}  # fmt: skip

    body = json.dumps([event("x"), event("y"), event("x"), {"specversion": "1.0"}])
    found = door.post("/usage/batch", body, headers=EVENTS)
    assert [row["outcome"] for row in found["rows"]] == ["new", "new", "unchanged", "quarantined"]
    listed = door.get("/usage", team_id="a")["usage"]
    assert sorted(one["usage_id"] for one in listed) == ["x 1", "y 1"]
    assert listed[0]["metadata"] == {"trace": "t"}


def test_one_fact_is_the_same_whichever_way_it_came(door: Door) -> None:
    fact = {"cost_usd": "0.1", "usage_id": "a", "timestamp": AT, "team_id": "t", "quantity": 2}
    door.post("/usage", fact, 201)
    assert send(door, fact)["unchanged"] == 1
    assert send(door, {**fact, "usage_id": "b"})["new"] == 1
    door.post("/usage", {**fact, "usage_id": "b"}, 200)


def test_what_is_no_batch_is_refused(door: Door) -> None:
    assert send(door, "", status=400)["code"] == "body_empty"
    door.post("/usage/batch", "[]", 415)
    door.post("/usage/batch", "{}", 400, headers=EVENTS)
    assert send(door, "x" * (2**20 + 1), status=413)["code"] == "line_too_long"
