"""Rules over HTTP."""

from decimal import Decimal

from tests.entrypoints.api.door import JANUARY, Door

GUIDES = {
    "rule_id": "team-equal-split", "name": "Team Equal Split", "rule_type": "by_team", "enabled": True,
    "description": "Split costs equally among team members", "team_id": "team-123",
}  # fmt: skip
SPLIT = {
    "rule_id": "fixed/split?rule", "name": "Fixed Split", "rule_type": "fixed_split", "description": "60% A, 40% B",
    "split_percentages": {"team-123": 33.33, "team-456": 33.33, "team-789": "33.34"},
    "allocation_metadata": {"entity_type": "team"}, "match": {"resource_types": ["query"]}, "priority": 5,
}  # fmt: skip


def test_a_rule_is_created_shown_changed_and_deleted(door: Door) -> None:
    made = door.post("/allocation-rules", GUIDES, 201)
    assert made["rule_id"] == "team-equal-split"
    assert made["rule"]["version"] == 1
    assert made["rule"]["created_at"] == made["rule"]["updated_at"]
    assert "." in made["rule"]["created_at"]
    assert door.post("/allocation-rules", GUIDES, 409)["code"] == "rule_exists"
    changed = door.put("/allocation-rules/team-equal-split", {"enabled": False})["rule"]
    assert (changed["version"], changed["enabled"], changed["team_id"]) == (2, False, "team-123")
    assert changed["created_at"] == made["rule"]["created_at"] < changed["updated_at"]
    assert door.get("/allocation-rules/team-equal-split")["rule"] == changed
    assert door.put("/allocation-rules/team-equal-split", {"enabled": False})["rule"] == changed
    assert "message" in door.delete("/allocation-rules/team-equal-split")
    assert door.get("/allocation-rules/team-equal-split", 404)["code"] == "rule_not_found"
    door.delete("/allocation-rules/team-equal-split", 404)
    door.put("/allocation-rules/team-equal-split", {"enabled": True}, 404)
    assert door.get("/allocation-rules")["rules"] == []
    assert door.post("/allocation-rules", GUIDES, 201)["rule"]["version"] == 4


def test_an_id_may_hold_a_slash_and_percentages_keep_their_digits(door: Door) -> None:
    rule = door.post("/allocation-rules", SPLIT, 201)["rule"]
    assert rule["split_percentages"]["team-789"] == Decimal("33.34")
    path = "/allocation-rules/fixed%2Fsplit%3Frule"
    assert door.get(path)["rule"] == rule
    assert door.put(path, {"match": None})["rule"]["match"]["resource_types"] == []


def test_the_answer_says_what_the_rule_takes(door: Door) -> None:
    door.use("1.25", day="2024-01-05", team_id="team-123")
    door.use("2", day="2024-01-06", team_id="team-123")
    door.use("4", day="2024-01-06", team_id="other")
    assert door.post("/allocation-rules", GUIDES, 201)["takes"] == {
        "cost_usd": Decimal("3.25"),
        "days": 2,
    }
    door.post("/invoices", {**JANUARY, "team_id": "team-123"}, 201)
    (invoice,) = door.get("/invoices")["invoices"]
    door.put(f"/invoices/{invoice['invoice_id']}/status", {"status": "sent"})
    takes = door.put("/allocation-rules/team-equal-split", {"priority": 7})["takes"]
    assert takes == {"cost_usd": Decimal("0.0"), "days": 0}


def test_lists_take_a_team_and_only_what_is_enabled(door: Door) -> None:
    door.post("/allocation-rules", GUIDES, 201)
    door.post("/allocation-rules", {**GUIDES, "rule_id": "off", "enabled": False}, 201)
    door.post("/allocation-rules", {**GUIDES, "rule_id": "other", "team_id": "b"}, 201)
    ids = [rule["rule_id"] for rule in door.get("/allocation-rules", team_id="team-123")["rules"]]
    assert ids == ["off", "team-equal-split"]
    listed = door.get("/allocation-rules", enabled_only=True)["rules"]
    assert [rule["rule_id"] for rule in listed] == ["other", "team-equal-split"]
    page = door.get("/allocation-rules", limit=2)
    assert len(page["rules"]) == 2
    following = door.get("/allocation-rules", limit=2, cursor=page["next_cursor"])
    assert [rule["rule_id"] for rule in following["rules"]] == ["team-equal-split"]
    assert following["next_cursor"] is None


def test_rules_that_cannot_work_are_refused(door: Door) -> None:
    def refused(**fields: object) -> str:
        return str(
            door.post("/allocation-rules", {"rule_id": "r", "name": "R", **fields}, 400)["code"]
        )

    assert refused(rule_type="by_team") == "team_id_missing"
    assert refused(rule_type="by_user") == "user_ids_missing"
    assert refused(rule_type="equal_split") == "receivers_missing"
    assert refused(rule_type="nonsense") == "rule_type_unknown"
    for share in (-50, 150, "NaN", "x", None):
        assert (
            refused(rule_type="fixed_split", split_percentages={"a": share}) == "percentage_invalid"
        )
    assert refused(rule_id="by_usage", rule_type="by_usage") == "rule_id_built_in"
    assert refused(rule_type="by_usage", enabledd=True) == "field_unknown"
    door.post("/allocation-rules", GUIDES, 201)
    door.put("/allocation-rules/team-equal-split", {"rule_id": "other"}, 400)
