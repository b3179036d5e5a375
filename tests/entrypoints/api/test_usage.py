"""Usage over HTTP: what is recorded, what is the same again, and what is refused."""

from decimal import Decimal
from typing import Any

import pytest

from tests.entrypoints.api.door import JANUARY, Door
from tests.ledger.books import Books

SENT = {
    "team_id": "team-123", "user_id": "user-456", "agent_id": "agent-789", "resource_type": "query",
    "quantity": 100.0, "cost_usd": 5.50, "metadata": {"query_type": "nl_to_sql", "rows": 12},
}  # fmt: skip


def test_the_guides_post_is_answered_with_the_record(door: Door) -> None:
    record = door.post("/usage", SENT, 201)["usage_record"]
    assert record["team_id"] == "team-123"
    assert record["cost_usd"] == Decimal("5.5")
    assert record["quantity"] == Decimal("100.0")
    assert record["metadata"] == SENT["metadata"]
    assert len(record["usage_id"]) == 36


def test_amounts_keep_every_digit_from_a_number_and_from_text(door: Door) -> None:
    body = (
        '{"cost_usd": 12345678901234567890.123456789012345678, "quantity": "0.000000000000000001"}'
    )
    record = door.post("/usage", body, 201)["usage_record"]
    assert record["cost_usd"] == Decimal("12345678901234567890.123456789012345678")
    assert record["quantity"] == Decimal("0.000000000000000001")


def test_the_same_again_is_no_second_record(door: Door) -> None:
    first = door.post("/usage", {**SENT, "usage_id": " a/b "}, 201)["usage_record"]
    again = door.post("/usage", {**SENT, "usage_id": " a/b "}, 200)["usage_record"]
    assert again == first
    assert [one["usage_id"] for one in door.get("/usage")["usage"]] == [" a/b "]


def test_other_content_under_the_same_id_is_refused(door: Door) -> None:
    door.post("/usage", {**SENT, "usage_id": "a"}, 201)
    refusal = door.post("/usage", {**SENT, "usage_id": "a", "cost_usd": 6}, 409)
    assert refusal["code"] == "usage_conflict"
    assert "cost 5.5 and not 6" in refusal["error"]
    door.post("/usage", {**SENT, "usage_id": "a", "timestamp": "2024-01-05T12:00:00Z"}, 409)
    # What decides no money may differ.
    door.post("/usage", {**SENT, "usage_id": "a", "metadata": {}}, 200)


def test_a_sum_over_a_month_counts_what_has_no_agent_in_the_total_only(door: Door) -> None:
    door.use("1.50", team_id="a", agent_id="x", quantity=3)
    door.use("2.50", team_id="a", resource_type="storage")
    door.use("4", team_id="b")
    found = door.get("/usage/summary", team_id="a", **JANUARY)["summary"]
    assert found["total_cost_usd"] == Decimal("4.0")
    assert found["record_count"] == 2
    assert found["by_agent"] == {"x": {"cost": Decimal("1.5"), "quantity": Decimal("3.0")}}
    assert found["by_resource_type"]["storage"]["cost"] == Decimal("2.5")
    assert found["period_end"] == "2024-01-31T23:59:59Z"
    door.post("/allocate", JANUARY)
    assert door.get("/usage/summary", team_id="a", **JANUARY)["summary"] == found


@pytest.mark.parametrize("is_sealed", [False, True], ids=["open", "sealed"])
def test_a_time_of_day_is_honoured_to_the_instant(door: Door, is_sealed: bool) -> None:
    for day, cost in (("2024-01-05", "1"), ("2024-01-06", "2"), ("2024-01-07", "4")):
        door.use(cost, day=day, team_id="a")
    if is_sealed:
        door.post("/allocate", JANUARY)
    asked = {"period_start": "2024-01-05T12:00:01Z", "period_end": "2024-01-07T12:00:00Z"}
    assert door.get("/usage/summary", **asked)["summary"]["total_cost_usd"] == 2
    asked = {"period_start": "2024-01-05T11:59:59Z", "period_end": "2024-01-07T12:00:00.000001Z"}
    assert door.get("/usage/summary", **asked)["summary"]["total_cost_usd"] == 7
    asked = {"period_start": "2024-01-06T11:00:00Z", "period_end": "2024-01-06T13:00:00Z"}
    assert door.get("/usage/summary", **asked)["summary"]["total_cost_usd"] == 2


def test_a_list_goes_on_where_it_stopped(door: Door) -> None:
    for number in range(5):
        day = f"2024-01-0{1 + number // 2}"
        door.use(str(number), usage_id=f"u-{number}", team_id="a", day=day)
    door.post("/allocate", JANUARY)
    for number in range(5, 8):
        door.use(str(number), usage_id=f"u-{number}", team_id="a", resource_id="r")
    seen, cursor = [], None
    while True:
        page = door.get("/usage", team_id="a", limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [one["usage_id"] for one in page["usage"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == [f"u-{number}" for number in range(8)]
    assert len(door.get("/usage", team_id="b")["usage"]) == 0


REFUSED = {
    "body_empty": "", "json_invalid": "{", "body_invalid": "[]", "json_duplicate_key": '{"cost_usd":1,"cost_usd":2}',
    "number_invalid": '{"cost_usd": NaN}', "too_deep": "[" * 1000, "body_not_utf8": b"\xff\xfe{\x00}\x00",
    "text_invalid": '{"cost_usd": 1, "team_id": "a\\u0000"}', "field_unknown": '{"cost_used": 1}',
    "cost_missing": "{}", "cost_invalid": '{"cost_usd": "5,50"}', "quantity_invalid": '{"cost_usd": 1, "quantity": -1}',
    "id_invalid": '{"cost_usd": 1, "team_id": " a "}', "usage_id_invalid": '{"cost_usd": 1, "usage_id": ""}',
    "timestamp_invalid": '{"cost_usd": 1, "timestamp": "2024-02-01T24:00:00Z"}',
    "day_invalid": '{"cost_usd": 1, "timestamp": "2024-02-30T00:00:00Z"}',
    "metadata_invalid": '{"cost_usd": 1, "metadata": "x"}',
}  # fmt: skip


@pytest.mark.parametrize("code", REFUSED)
def test_what_cannot_be_right_is_refused_in_one_sentence(door: Door, code: str) -> None:
    refusal = door.post("/usage", REFUSED[code], 400)
    assert refusal["code"] == code
    assert refusal["error"].strip()
    assert set(refusal) == {"error", "code", "details"}
    assert door.get("/usage")["usage"] == []


@pytest.mark.parametrize("cost", ["", None, True, "1_000", "٣", "1e12", 1e21, "nan", [], {}])
def test_a_cost_that_is_no_plain_number_is_refused(door: Door, cost: object) -> None:
    if cost == "1e12":
        door.post("/usage", {"cost_usd": cost}, 201)
    else:
        door.post("/usage", {"cost_usd": cost}, 400)


def test_a_misspelt_field_is_told_the_nearest(door: Door) -> None:
    refusal = door.post("/usage", {"cost_used": 1}, 400)
    assert "did you mean cost_usd" in refusal["error"]
    refusal = door.get("/usage/summary", 400, perod_start="x", period_end="y")
    assert "did you mean period_start" in refusal["error"]


def test_a_body_of_another_kind_or_size_is_refused(door: Door) -> None:
    door.ask("POST", "/usage", 415, content="a=1", headers={"Content-Type": "text/plain"})
    door.ask("POST", "/usage", 415, content=b"x", headers={"Content-Encoding": "gzip"})
    door.post("/usage", b" " * (10 * 2**20 + 1), 413)


def test_names_may_be_as_long_as_they_may_in_any_script(door: Door) -> None:
    names = ("team_id", "user_id", "agent_id", "usage_id")
    long: dict[str, Any] = dict.fromkeys(names, "\N{ABACUS}" * 255)
    door.use("2", **long)
    door.post("/allocate", JANUARY)
    assert door.get("/usage", team_id=long["team_id"])["usage"][0]["usage_id"] == long["usage_id"]
    (share,) = door.post("/allocate", JANUARY)["allocations"]
    assert door.get(f"/allocations/{share['allocation_id']}/usage")["usage"][0]["cost_usd"] == 2


def test_usage_in_an_open_batch_is_whose_it_will_be(door: Door, books: Books) -> None:
    books.import_yaml("""
teams:
  - {id: home, members: [{user: ana, home: true}]}
owners:
  agent: {bot: [{team: owner}]}
  account: {acc: [{team: payer}]}
  user: {bob: [{team: keeper}]}
""")
    used: tuple[tuple[str, dict[str, Any]], ...] = (
        ("1", {"user_id": "ana"}), ("2", {"agent_id": "bot", "user_id": "ana"}),
        ("4", {"account_id": "acc", "agent_id": "bot"}), ("8", {"user_id": "bob"}),
        ("16", {"team_id": "own", "account_id": "acc"}), ("32", {}),
    )  # fmt: skip
    for cost, names in used:
        door.use(cost, **names)
    expected = {"home": 1, "owner": 2, "payer": 4, "keeper": 8, "own": 16}
    for _ in range(2):
        summed = {
            team: door.get("/usage/summary", team_id=team, **JANUARY)["summary"]["total_cost_usd"]
            for team in expected
        }
        assert summed == expected
        door.post("/allocate", JANUARY)


def test_usage_of_an_archived_month_is_refused(door: Door, books: Books) -> None:
    books.damage(
        """INSERT INTO usage_archives (month, state, form, files, record_count, digest, archived_by)
           VALUES ('2024-01-01', 'archived', 'csv', '[]', 0, repeat('0', 64), 'tester')"""
    )
    refusal = door.post("/usage", {"cost_usd": 1, "timestamp": "2024-01-31T23:59:59Z"}, 409)
    assert refusal["code"] == "archived_period"
    door.post("/usage", {"cost_usd": 1, "timestamp": "2024-02-01T00:00:00Z"}, 201)
