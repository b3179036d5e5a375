"""Allocations, invoices and reports over HTTP, with amounts worked by hand."""

from decimal import Decimal

import pytest

from tests.entrypoints.api.door import JANUARY, Door


def draft(door: Door, **fields: object) -> dict[str, object]:
    invoice: dict[str, object] = door.post("/invoices", {**JANUARY, **fields}, 201)["invoice"]
    return invoice


def test_an_allocation_is_the_sum_per_rule_and_payer_and_leads_back_to_its_usage(
    door: Door,
) -> None:
    door.use("1.10", team_id="a", user_id="u", usage_id="x", day="2024-01-05")
    door.use("2.20", team_id="a", user_id="u", usage_id="y", day="2024-01-06")
    door.use("4", team_id="b", usage_id="z")
    asked = {**JANUARY, "team_id": "a"}
    (one,) = door.post("/allocate", asked)["allocations"]
    assert (one["rule_id"], one["team_id"], one["user_id"]) == ("by_usage", "a", "u")
    assert one["total_cost_usd"] == Decimal("3.3")
    assert sorted(one["usage_records"]) == ["x", "y"]
    assert not one["has_more_usage_records"]
    usage = door.get(f"/allocations/{one['allocation_id']}/usage")["usage"]
    assert sorted(row["usage_id"] for row in usage) == ["x", "y"]
    assert door.post("/allocate", asked)["allocations"] == [one]
    assert len(door.post("/allocate", JANUARY)["allocations"]) == 2
    assert door.post("/allocate", {**JANUARY, "rule_id": "none"})["allocations"] == []


@pytest.mark.parametrize("given", ["alloc-", "x", "alloc-WyJhIiwiYiJd", "alloc-%FF", "a" * 3000])
def test_an_allocation_that_never_was_is_not_found(door: Door, given: str) -> None:
    assert door.get(f"/allocations/{given}/usage", 404)["code"] == "allocation_not_found"


def test_a_list_of_allocations_goes_on_where_it_stopped(door: Door) -> None:
    for team in "cab":
        door.use("1", team_id=team)
    first = door.post("/allocate", {**JANUARY, "limit": 2})
    rest = door.post("/allocate", {**JANUARY, "limit": 2, "cursor": first["next_cursor"]})
    teams = [one["team_id"] for page in (first, rest) for one in page["allocations"]]
    assert teams == ["a", "b", "c"]
    assert rest["next_cursor"] is None


def test_a_shared_cost_leads_back_to_all_of_its_usage(door: Door) -> None:
    rule = {"rule_id": "s", "name": "S", "rule_type": "fixed_split", "split_percentages": {"a": 60, "b": 40},
            "allocation_metadata": {"entity_type": "team"}, "team_id": "t"}  # fmt: skip
    door.post("/allocation-rules", rule, 201)
    door.use("10", team_id="t", usage_id="x")
    (a, b) = door.post("/allocate", JANUARY)["allocations"]
    assert (a["total_cost_usd"], b["total_cost_usd"]) == (6, 4)
    assert a["usage_records"] == b["usage_records"] == ["x"]


def test_what_a_later_stage_passed_on_leads_back_to_the_usage_it_was_before(door: Door) -> None:
    to_teams = {"allocation_metadata": {"entity_type": "team"}}
    first = {"rule_id": "first", "name": "F", "rule_type": "fixed_split", "split_percentages": {"platform": 100},
             "match": {"agent_ids": ["shared"]}, **to_teams}  # fmt: skip
    second = {"rule_id": "second", "name": "S", "rule_type": "fixed_split", "split_percentages": {"a": 75, "b": 25},
              "team_id": "platform", "stage": 2, **to_teams}  # fmt: skip
    for rule in (first, second):
        assert door.post("/allocation-rules", rule, 201)["rule"]["stage"] in (1, 2)
    door.use("8", agent_id="shared", usage_id="x")
    (a, b) = door.post("/allocate", JANUARY)["allocations"]
    assert [(one["rule_id"], one["team_id"], one["total_cost_usd"]) for one in (a, b)] == [
        ("second", "a", 6), ("second", "b", 2),
    ]  # fmt: skip
    assert a["usage_records"] == ["x"]
    (usage,) = door.get(f"/allocations/{b['allocation_id']}/usage")["usage"]
    assert usage["usage_id"] == "x"


def test_the_usage_of_an_allocation_comes_in_pages(door: Door) -> None:
    for number in range(7):
        door.use("1", team_id="a", usage_id=f"u-{number}", day=f"2024-01-0{1 + number // 3}")
    (share,) = door.post("/allocate", JANUARY)["allocations"]
    path, seen = f"/allocations/{share['allocation_id']}/usage", []
    cursor: dict[str, str] = {}
    for _ in range(4):
        page = door.get(path, limit=2, **cursor)
        seen += [one["usage_id"] for one in page["usage"]]
        cursor = {"cursor": page["next_cursor"]}
    assert page["next_cursor"] is None
    assert sorted(seen) == [f"u-{number}" for number in range(7)]
    assert sorted(share["usage_records"]) == sorted(seen)


def test_a_period_within_days_is_widened_and_says_so(door: Door) -> None:
    door.use("1", team_id="a", day="2024-01-05")
    found = door.post(
        "/allocate", {"period_start": "2024-01-05T06:00:00Z", "period_end": "2024-01-06T06:00:00Z"}
    )
    assert found["period_widened"]
    assert (found["period_start"], found["period_end"]) == (
        "2024-01-05T00:00:00Z",
        "2024-01-06T23:59:59Z",
    )
    assert len(found["allocations"]) == 1


def test_an_invoice_has_the_guides_shape(door: Door) -> None:
    door.use("600.004", team_id="team-123", quantity=4, day="2024-01-05")
    door.use("400", team_id="team-123", quantity=6, day="2024-02-05")
    door.use("400", team_id="team-123", quantity=6, day="2024-01-31")
    invoice = draft(door, team_id="team-123", invoice_number="ACME-1")
    assert invoice["invoice_number"] == "ACME-1"
    assert invoice["status"] == "draft"
    assert invoice["line_items"] == [
        {
            "description": "Query Usage - 2024-01-01T00:00:00Z to 2024-01-31T23:59:59Z",
            "quantity": Decimal(10), "unit": "units", "unit_price": Decimal(100), "total_price": Decimal(1000),
            "resource_type": "query",
        }
    ]  # fmt: skip
    totals = (invoice["subtotal_usd"], invoice["tax_usd"], invoice["total_usd"])
    assert totals == (1000, 0, 1000)
    assert door.get(f"/invoices/{invoice['invoice_id']}")["invoice"] == invoice
    again = door.post("/invoices", {**JANUARY, "team_id": "team-123"}, 201)
    assert again["outcome"] == "unchanged"
    assert again["invoice"] == invoice


def test_a_period_without_usage_gives_an_invoice_of_nothing(door: Door) -> None:
    assert draft(door, team_id="never-seen")["total_usd"] == 0
    assert draft(door, user_id="nobody")["line_items"] == []


def test_without_team_and_user_one_invoice_bills_all_that_is_left(door: Door) -> None:
    door.use("1", team_id="a")
    door.use("2", team_id="b")
    door.use("4", user_id="u")
    draft(door, team_id="a")
    assert draft(door)["total_usd"] == 6


def test_a_status_moves_along_the_table_and_a_refusal_names_the_moves(door: Door) -> None:
    door.use("5", team_id="a")
    path = f"/invoices/{draft(door, team_id='a')['invoice_id']}"
    assert door.put(f"{path}/status", {"status": "zzz"}, 400)["code"] == "status_unknown"
    refusal = door.put(f"{path}/status", {"status": "paid"}, 409)
    assert refusal["details"] == ["pending", "sent", "cancelled"]
    assert door.put(f"{path}/status", {"status": "sent"})["invoice"]["status"] == "sent"
    assert door.put(f"{path}/status", {"status": "overdue"})["invoice"]["status"] == "overdue"
    assert door.put(f"{path}/status", {"status": "overdue"})["message"].endswith("already overdue")
    paid = door.put(f"{path}/status", {"status": "paid"})["invoice"]
    assert paid["paid_date"].endswith("T00:00:00Z")
    assert door.put(f"{path}/status", {"status": "sent"}, 409)["details"] == []


def test_cancelling_after_issue_makes_a_credit_note_that_is_listed_apart(door: Door) -> None:
    door.use("5", team_id="a")
    invoice = draft(door, team_id="a")
    path = f"/invoices/{invoice['invoice_id']}"
    door.put(f"{path}/status", {"status": "sent"})
    moved = door.put(f"{path}/status", {"status": "cancelled", "reason": "wrong team"})
    (note,) = door.get("/invoices", kind="credit_note")["invoices"]
    assert note["invoice_number"] == moved["credit_note"]
    assert note["total_usd"] == -5
    assert [one["status"] for one in door.get("/invoices", team_id="a")["invoices"]] == [
        "cancelled"
    ]
    assert door.get("/invoices", status="sent")["invoices"] == []


def test_lists_are_newest_first_and_go_on_where_they_stopped(door: Door) -> None:
    numbers = [draft(door, team_id=team)["invoice_number"] for team in "abc"]
    first = door.get("/invoices", limit=2)
    rest = door.get("/invoices", limit=2, cursor=first["next_cursor"])
    listed = [one["invoice_number"] for page in (first, rest) for one in page["invoices"]]
    assert listed == numbers[::-1]


@pytest.mark.parametrize("given", ["x", "00000000-0000-0000-0000-000000000000", "a%00b", "a%2Fb"])
def test_an_invoice_that_is_not_there_is_not_found(door: Door, given: str) -> None:
    door.get(f"/invoices/{given}", 404)


def test_an_invoice_is_drawn(door: Door) -> None:
    door.use("5", team_id="a")
    invoice = draft(door, team_id="a")
    drawn = door.answer("GET", f"/invoices/{invoice['invoice_id']}/pdf")
    assert drawn.headers["content-type"] == "application/pdf"
    assert drawn.content.startswith(b"%PDF-")


def test_a_report_tells_what_was_used_borne_and_billed(door: Door) -> None:
    door.use("3", team_id="team-123", user_id="u", agent_id="g")
    door.use("4", team_id="other", user_id="u")
    invoice = draft(door, team_id="team-123")
    door.use("0.5", team_id="team-123")
    report = door.get("/reports/team/team-123", **JANUARY)["report"]
    assert report["total_cost_usd"] == Decimal("3.5")
    assert report["usage_summary"]["total_cost_usd"] == Decimal("3.5")
    assert [one["total_cost_usd"] for one in report["allocations"]] == [Decimal("0.5"), 3]
    assert [one["invoice_id"] for one in report["invoices"]] == [invoice["invoice_id"]]
    assert door.get("/reports/user/u", **JANUARY)["report"]["total_cost_usd"] == 7
    assert door.get("/reports/team/nobody", 404, **JANUARY)["code"] == "team_not_found"
    assert door.get("/reports/user/a%2Fb", 404, **JANUARY)["code"] == "user_not_found"
    assert door.get("/reports/team/team-123", 400)["code"] == "parameter_invalid"


def test_a_period_is_reconciled_with_what_lies_in_open_batches(door: Door) -> None:
    door.use("3.000000000000000001", team_id="a")
    for _ in range(2):
        found = door.get("/periods/2024-01/reconciliation")["reconciliation"]
        (source,) = found["sources"]
        assert source["source"] == "api"
        assert source["received"] == source["ledger"] == Decimal("3.000000000000000001")
        assert (source["difference"], found["difference"]) == (0, 0)
        door.post("/allocate", JANUARY)
    assert source["allocated"] == Decimal("3.000000000000000001")
    assert door.get("/periods/2024-13/reconciliation", 400)["code"] == "period_invalid"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-01-31", "2024-01-01"),
        ("2024-01-05T06:00:00Z", "2024-01-05T06:00:00Z"),
        ("x", "y"),
        (5, None),
    ],
)
def test_a_period_that_is_none_is_refused(door: Door, start: object, end: object) -> None:
    body = {"period_start": start, "period_end": end}
    for path in ("/allocate", "/invoices"):
        door.post(path, body, 400)
    if isinstance(start, str):
        door.get("/usage/summary", 400, **body)


def test_the_same_key_has_one_effect(door: Door) -> None:
    headers = {"Idempotency-Key": "key"}
    first = door.post("/usage", {"cost_usd": 1}, 201, headers=headers)
    assert door.post("/usage", {"cost_usd": 1}, 201, headers=headers) == first
    door.post("/usage", {"cost_usd": 2}, 409, headers=headers)
    door.post("/usage", {"cost_usd": 2}, 400, headers={"Idempotency-Key": "x" * 256})
    assert len(door.get("/usage")["usage"]) == 1


def test_the_server_says_that_it_lives_and_can_work(door: Door) -> None:
    assert door.client.get("/health").json() == {"status": "ok"}
    assert door.client.get("/ready").json()["status"] == "ready"
    assert door.client.get("/nowhere").json()["code"] == "path_unknown"
    missing = door.client.delete("/api/chargeback/usage")
    assert missing.status_code == 405
    assert missing.headers["allow"]
