"""The catalogue of bad input, of rules, periods and invoices."""

from collections.abc import Iterator
from typing import Any

from tests.entrypoints.api.bad_input import BILLED, DRAFT, Bad, get

SPLIT: dict[str, Any] = {
    "rule_id": "r",
    "name": "R",
    "rule_type": "fixed_split",
    "allocation_metadata": {"entity_type": "team"},
}


def rule(what: str, status: int, code: str = "", says: str = "", **fields: Any) -> Bad:
    """A rule of these fields."""
    return Bad(
        what,
        "POST",
        "/allocation-rules",
        {"rule_id": what, "name": "R"} | fields,
        status,
        code,
        says,
    )


def split(what: str, status: int, says: str = "", **percentages: Any) -> Bad:
    """A fixed split of these percentages."""
    body = SPLIT | {"rule_id": what, "split_percentages": percentages}
    return Bad(what, "POST", "/allocation-rules", body, status, "", says)


def billed(what: str, status: int, code: str = "", says: str = "", **fields: Any) -> Bad:
    """An invoice that is right but for `fields`."""
    return Bad(what, "POST", "/invoices", BILLED | fields, status, code, says)


def moved(
    what: str, body: Any, status: int, code: str = "", says: str = "", of: str = DRAFT
) -> Bad:
    """A move of the draft."""
    return Bad(what, "PUT", f"/invoices/{of}/status", body, status, code, says)


def rules() -> Iterator[Bad]:
    """What a rule cannot say, or may."""
    yield rule("an unknown type", 400, says="equal_split", rule_type="by_moon")
    yield rule("no type", 400)
    yield Bad(
        "no rule_id", "POST", "/allocation-rules", {"rule_type": "by_team"}, 400, "rule_id_missing"
    )
    yield rule(
        "a rule_id that is taken",
        409,
        "rule_exists",
        rule_id="held",
        rule_type="by_team",
        team_id="red",
    )
    for built_in in ("by_usage", "unattributed"):
        yield rule(
            f"the built-in {built_in}",
            400,
            "rule_id_built_in",
            rule_id=built_in,
            rule_type="by_team",
            team_id="red",
        )
    yield rule("by_team without a team", 400, says="team_id", rule_type="by_team")
    yield rule("by_user without users", 400, says="user_ids", rule_type="by_user")
    yield rule("by_user with an empty list", 400, says="user_ids", rule_type="by_user", user_ids=[])
    yield rule("a user twice", 400, says="ana", rule_type="by_user", user_ids=["ana", "ana"])
    yield rule("users that are a text", 400, says="user_ids", rule_type="by_user", user_ids="ana")
    yield rule("equal_split without receivers", 400, rule_type="equal_split")
    yield split("a split among nobody", 400)
    yield split("a sum of 99.98", 400, "99.98", red="59.98", tan=40)
    yield split("a sum of 100.02", 400, "100.02", red="60.02", tan=40)
    yield split("three thirds", 201, "", a="33.33", b="33.33", c="33.33")
    yield split("a negative part", 400, "-10", red=-10, tan=100)
    yield split("more than all", 400, "101", red=101)
    yield split("a part that is no number", 400, "", red="NaN", tan=100)
    yield split("a part that is true", 400, "", red=True)
    yield split("nothing for all", 400, "", red=0, tan=0)
    yield split("all for one", 201, "", red=100)
    yield split("1,001 receivers", 400, "1,000", **{f"t{n}": "0.0999" for n in range(1001)})
    yield rule("dates the wrong way round", 400, says="valid_", rule_type="by_team", team_id="red",
               valid_from="2026-11-01", valid_to="2026-10-01")  # fmt: skip
    yield rule(
        "a date that is none",
        400,
        says="valid_from",
        rule_type="by_team",
        team_id="red",
        valid_from="soon",
    )
    yield rule(
        "an unknown criterion",
        400,
        says="match",
        rule_type="by_team",
        team_id="red",
        match={"moon": ["full"]},
    )
    yield rule("an unknown field", 400, says="team_id", rule_type="by_team", team="red")
    yield rule(
        "a priority that is a text",
        400,
        says="priority",
        rule_type="by_team",
        team_id="red",
        priority="first",
    )
    yield rule(
        "a priority beyond numbers",
        400,
        says="priority",
        rule_type="by_team",
        team_id="red",
        priority=10**12,
    )
    yield rule(
        "enabled as a text", 400, says="enabled", rule_type="by_team", team_id="red", enabled="yes"
    )
    yield rule("markup in a name", 201, rule_type="by_team", team_id="red", name="<b>R</b>")
    yield rule("a name with NUL", 400, rule_type="by_team", team_id="red", name="a\0")
    yield get("a rule that is not there", "/allocation-rules/nobody", 404, "rule_not_found")
    yield Bad(
        "changing none",
        "PUT",
        "/allocation-rules/nobody",
        {"enabled": False},
        404,
        "rule_not_found",
    )
    yield Bad("deleting none", "DELETE", "/allocation-rules/nobody", None, 404, "rule_not_found")
    yield Bad("deleting a built-in one", "DELETE", "/allocation-rules/by_usage", None, 404)
    yield Bad(
        "another rule_id",
        "PUT",
        "/allocation-rules/held",
        {"rule_id": "other"},
        400,
        says="rule_id",
    )


def invoices() -> Iterator[Bad]:
    """What a period or an invoice cannot say, or may."""
    yield billed("an end before the start", 400, says="2026-09-01", period_end="2026-09-01")
    yield billed("only a start", 400, says="period_end", period_end=None)
    yield billed("a month that is none", 400, period_start="2026-13-01")
    yield billed("a day that is none", 400, period_start="2026-02-30")
    yield billed("a start that is a number", 400, says="period_start", period_start=20261001)
    yield billed(
        "two offsets",
        201,
        period_start="2026-10-01T00:00:00+02:00",
        period_end="2026-10-31T23:59:59Z",
    )
    yield billed(
        "without offset it is UTC",
        201,
        period_start="2026-10-01T00:00:00",
        period_end="2026-10-31T23:59:59",
    )
    yield billed(
        "ends within a day are widened",
        201,
        period_start="2026-10-01T05:00:00Z",
        period_end="2026-10-31T12:00:00Z",
    )
    yield billed("an end in the future", 201, period_end="2027-10-31")
    yield billed("no usage", 201, period_start="2020-01-01", period_end="2020-01-31")
    yield billed("team and user", 201, user_id="ana")
    yield billed("neither", 201, team_id=None)
    yield billed("a name never seen", 201, team_id="new")
    yield billed(
        "a number that is taken", 409, says="INV-TAKEN", invoice_number="INV-TAKEN", user_id="ana"
    )
    for number in ("x" * 65, "a\nb", "../x", "", " ", 7, "a\0b"):
        yield billed(f"the number {str(number)[:8]!r}", 400, invoice_number=number)
    yield billed("an unknown field", 400, "field_unknown", "period_end", periodend="2026-10-31")
    yield billed("a number no series could give", 400, period_start="10000-01-01")
    yield moved("an unknown status", {"status": "zzz"}, 400, says="overdue")
    yield moved("no status", {}, 400, says="status")
    yield moved("a status that is a list", {"status": ["sent"]}, 400, says="status")
    yield moved("a move that does not exist", {"status": "paid"}, 409, says="sent")
    yield moved("a reason that is a number", {"status": "cancelled", "reason": 7}, 400)
    yield moved("a reason with NUL", {"status": "cancelled", "reason": "a\0"}, 400)
    yield moved(
        "an invoice that is not there", {"status": "sent"}, 404, "invoice_not_found", of="nobody"
    )
    yield get("an id that is none", "/invoices/12", 404, "invoice_not_found")
    yield get("a PDF of none", "/invoices/nobody/pdf", 404, "invoice_not_found")
    yield get(
        "an allocation that is none", "/allocations/alloc-x/usage", 404, "allocation_not_found"
    )
    yield get(
        "a report of nobody",
        "/reports/team/nobody?period_start=2026-10-01&period_end=2026-10-31",
        404,
        "team_not_found",
    )
    yield get("a report without a period", "/reports/team/red", 400, says="period_start")
    yield get("a reconciliation of no month", "/periods/2026-13/reconciliation", 400)
    yield Bad(
        "an allocation of half a period",
        "POST",
        "/allocate",
        {"period_start": "2026-10-01"},
        400,
        says="period_end",
    )
    yield Bad("a rule of nobody", "POST", "/allocate", BILLED | {"rule_id": "nobody"}, 200)
