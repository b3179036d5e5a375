"""The deployed flows through Prefect's API: forms, on-demand invoices, reruns, approval, events, schedules."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from chargeback.ledger import payers
from chargeback.ledger.database import snapshot, transaction
from chargeback.payers_file import read
from tests.faults.killed_stack import Round
from tests.faults.month import PERIOD
from tests.flows.deployed import Deployed, wait_for

pytestmark = pytest.mark.timeout(600)

ON = "2026-11-01"
MONTH = {"period": PERIOD, "business_date": ON}
WANTS_APPROVAL = {"CHARGEBACK_REQUIRE_APPROVAL": "true"}


def rows(round_: Round, query: str) -> list[tuple[Any, ...]]:
    with snapshot(round_.url) as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def statuses(round_: Round) -> list[str]:
    return [row[0] for row in rows(round_, "SELECT status FROM invoices ORDER BY number")]


@pytest.fixture(scope="module", autouse=True)
def a_minute_ahead(deployed: Deployed) -> Iterator[datetime]:
    """A schedule of monthly-billing on the stack's own ledger, made first so that its minute passes meanwhile."""
    at = (datetime.now(UTC) + timedelta(seconds=75)).replace(second=0, microsecond=0)
    deployment = deployed.deployment("monthly-billing")["id"]
    schedule = {"cron": f"{at.minute} {at.hour} {at.day} {at.month} *", "timezone": "UTC"}
    body = [{"schedule": schedule, "active": True, "parameters": MONTH, "slug": "test"}]
    made = deployed.ask("POST", f"/deployments/{deployment}/schedules", body)
    assert made.status_code == 201, made.text
    yield at
    deployed.ask("DELETE", f"/deployments/{deployment}/schedules/{made.json()[0]['id']}")


@pytest.mark.parametrize(
    ("flow", "parameters", "told"),
    [
        ("invoice-on-demand", {"team": "team-search", "period": "2026-13"}, "does not match"),
        ("invoice-on-demand", {"team": "team-search", "month": PERIOD}, "month"),
        ("monthly-billing", {"business_date": "soon"}, "soon"),
        ("retention", {"action": "burn"}, "burn"),
        ("retention", {"keep_months": -1}, "-1"),
        ("usage-sync", {"source": "no such source"}, "no such source"),
    ],
)
def test_a_value_that_cannot_be_is_refused_before_there_is_a_run(
    deployed: Deployed, round_: Round, flow: str, parameters: dict[str, Any], told: str
) -> None:
    answer = deployed.create(flow, parameters, round_)
    assert answer.status_code == 409
    assert told in answer.text


def test_every_parameter_of_every_form_says_what_it_is(deployed: Deployed) -> None:
    for one in deployed.ask("POST", "/deployments/filter", {}).json():
        schema = one["parameter_openapi_schema"]
        assert schema["additionalProperties"] is False
        for name, parameter in schema["properties"].items():
            assert parameter.get("description"), f"{one['entrypoint']} {name}"


def test_fields_that_contradict_each_other_end_the_run_in_one_sentence(
    deployed: Deployed, round_: Round
) -> None:
    before = round_.facts()
    run = deployed.start("invoice-on-demand", {"team": "team-search", "everybody": True}, round_)
    ended = deployed.ended(run)
    assert ended["type"] == "FAILED"
    assert "say whom to bill: a team, a user or both for one payer" in ended["message"]
    assert round_.facts() == before


def test_an_invoice_on_demand_is_made_once_and_read_by_the_runs_id(
    deployed: Deployed, round_: Round
) -> None:
    """Also: the form of usage-sync offers the sources there are, once they were read."""
    sync = deployed.start("usage-sync", {}, round_)
    assert deployed.ended(sync)["type"] == "COMPLETED"
    offered = deployed.deployment("usage-sync")["parameter_openapi_schema"]["properties"]["source"]
    assert offered["enum"] == ["all", "cost-tracker"]
    parameters = {"team": "team-search", **MONTH}
    begun = datetime.now(UTC)
    first = deployed.create("invoice-on-demand", parameters, round_, key=f"{round_.name}-1")
    run = str(first.json()["id"])
    ended = deployed.ended(run)
    print(f"end to end in {(datetime.now(UTC) - begun).total_seconds():.1f} s")
    again = deployed.create("invoice-on-demand", parameters, round_, key=f"{round_.name}-1")
    assert (first.status_code, again.status_code, again.json()["id"]) == (201, 200, run)
    assert ended["type"] == "COMPLETED"
    ((number, total),) = rows(
        round_,
        f"SELECT counts ->> 'number', counts ->> 'total' FROM billing_runs WHERE run_id = '{run}'",
    )
    assert re.fullmatch(r"INV-20261101-0001", number)
    assert f"invoice {number} of team team-search for 2026-10: {total} USD" in deployed.page(
        run, "invoice-on-demand"
    )
    assert deployed.run(run)["name"] == "invoice-on-demand team-search 2026-10"
    before = round_.facts()
    deployed.retry(run)
    assert deployed.ended(run)["type"] == "COMPLETED"
    assert deployed.run(run)["run_count"] == 2
    assert round_.facts() == before


def test_a_month_tells_what_came_of_it_and_emits_its_events(
    deployed: Deployed, round_: Round
) -> None:
    run = deployed.start("monthly-billing", MONTH, round_, CHARGEBACK_DOCUMENTS_PER_RUN="1")
    assert deployed.ended(run)["type"] == "COMPLETED"
    numbers = [row[0] for row in rows(round_, "SELECT number FROM invoices ORDER BY number")]
    page = deployed.page(run, "monthly-billing")
    assert f"{len(numbers)} invoices issued, dated 2026-11-01" in page
    for number in numbers:
        assert f"| {number} |" in page
        assert f"[PDF](http://127.0.0.1:5000/api/chargeback/invoices/{number}/pdf)" in page
    assert "| difference | 0 |" in page
    assert f"{len(numbers)} documents drawn in {len(numbers)} parts" in page
    parts = [
        one
        for one in deployed.runs_of("document-drawing")
        if round_.url in str(one["job_variables"])
    ]
    assert len(parts) == len(numbers) - 1, "the run that cut the work draws a part itself"
    assert rows(round_, "SELECT count(DISTINCT subject) FROM documents WHERE kind = 'invoice'") == [
        (len(numbers),)
    ]

    def told() -> set[str]:
        return {
            event["resource"]["prefect.resource.name"]
            for event in deployed.events("chargeback.")
            if any(run in str(related) for related in event["related"])
        }

    wait_for(lambda: told() == {*numbers, PERIOD})
    before = round_.facts()
    policy = {"keep_months": 1, "as_of": "2026-12-15"}
    archived = deployed.start("retention", policy, round_)
    assert deployed.ended(archived)["message"] == "1 months archived"
    assert rows(round_, "SELECT count(*) FROM usage_records") == [(0,)]
    moved = dict.fromkeys(("published", "archives", "audit"), "")
    assert {**round_.facts(), **moved} == {**before, **moved}
    round_.assert_whole(round_.facts())


DRAFT = """
rules:
  - {rule_id: everything, rule_type: equal_split, entity_ids: [team-search, team-new], priority: 1,
     allocation_metadata: {entity_type: team}}
"""


def test_draft_rules_are_tried_and_nothing_of_them_stays(deployed: Deployed, round_: Round) -> None:
    billed = deployed.start("monthly-billing", MONTH, round_)
    assert deployed.ended(billed)["type"] == "COMPLETED"
    before = round_.facts()
    replayed = deployed.start("what-if", {"period": PERIOD}, round_)
    assert deployed.ended(replayed)["message"] == "0 USD would move"
    assert f"nothing of {PERIOD} would move" in deployed.page(replayed, "what-if")
    run = deployed.start("what-if", {"period": PERIOD, "draft": DRAFT}, round_)
    assert deployed.ended(run)["type"] == "COMPLETED"
    page = deployed.page(run, "what-if")
    print(page)
    assert "all differences together are 0" in page
    assert "| team-new | 0 |" in page
    assert "| everything |" in page
    assert round_.facts() == before
    wrong = deployed.start("what-if", {"period": PERIOD, "draft": "rules: [{rule_id: x}]"}, round_)
    assert deployed.ended(wrong)["type"] == "FAILED"
    assert round_.facts() == before


def test_a_budget_that_is_passed_is_told_once(deployed: Deployed, round_: Round) -> None:
    this_month = datetime.now(UTC).date().replace(day=1)
    pool = f"""
        WITH pool AS (
            INSERT INTO cost_pools (usage_date, source_id, rule_key, resource_type, unit, generation, cost, quantity,
                record_count)
            VALUES ('{this_month}', 1, 1, 'query', 'query', 1, 90, 1, 0) RETURNING pool_id)
        INSERT INTO allocations (pool_id, usage_date, team_id, cost, quantity)
        SELECT pool_id, '{this_month}', 'team-search', 90, 1 FROM pool"""
    with transaction(round_.url) as connection:
        connection.execute(
            text("INSERT INTO budgets (team_id, amount) VALUES ('team-search', 100)")
        )
        connection.execute(text(pool))
    runs = [deployed.start("cost-allocation", {}, round_) for _ in range(2)]
    assert [deployed.ended(run)["type"] for run in runs] == ["COMPLETED", "COMPLETED"]

    def told() -> list[int]:
        return sorted(
            int(event["payload"]["threshold_percent"])
            for event in deployed.events("chargeback.budget.threshold")
            if event["resource"]["prefect.resource.name"] == "team-search"
        )

    wait_for(lambda: len(told()) >= 2)
    assert told() == [50, 80]
    assert rows(
        round_, "SELECT threshold FROM budget_alerts WHERE told_at IS NOT NULL ORDER BY 1"
    ) == [(50,), (80,)]
    pages = [deployed.page(run, "cost-allocation") for run in runs]
    print(pages[0])
    assert sum("2 thresholds of budgets were passed" in page for page in pages) == 1


def test_a_sync_that_fails_keeps_the_month_from_being_issued(
    deployed: Deployed, round_: Round
) -> None:
    deployed.killed.administer("SELECT 1")
    with snapshot(round_.url) as connection:
        assert connection.execute(text("SELECT count(*) FROM invoices")).scalar() == 0
    spoil_the_source(deployed, round_)
    run = deployed.start("monthly-billing", MONTH, round_)
    ended = deployed.ended(run)
    assert ended["type"] == "FAILED"
    assert "cost-tracker" in ended["message"] or "export" in ended["message"]
    assert rows(round_, "SELECT count(*) FROM invoices") == [(0,)]
    assert "Needs a person" in deployed.page(run, "monthly-billing")


def spoil_the_source(deployed: Deployed, round_: Round) -> None:
    """Point the round's source to a file that is not there."""
    import psycopg2

    connection = psycopg2.connect(round_.url.replace("+psycopg2", ""))
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE usage_sources SET config = jsonb_set(config, '{path}', '\"/nowhere/export.json\"')"
        )
    connection.close()


def test_drafts_wait_for_a_person_who_approves_these_and_no_others(
    deployed: Deployed, round_: Round
) -> None:
    run = deployed.start("monthly-billing", MONTH, round_, **WANTS_APPROVAL)
    asked = str(deployed.suspended(run)["description"])
    assert f"drafts of {PERIOD}" in asked
    for number, total in rows(round_, "SELECT number, total FROM invoices"):
        assert f"| {number} |" in asked
        assert f"| {total:,.2f} USD |" in asked
    assert set(statuses(round_)) == {"draft"}
    assert rows(round_, "SELECT state FROM billing_runs") == [("waiting",)]
    answer = {"run_input": {"decision": "approve", "decided_by": "Ana", "note": "as budgeted"}}
    assert deployed.ask("POST", f"/flow_runs/{run}/resume", answer).json()["status"] == "ACCEPT"
    wait_for(lambda: deployed.state(run).get("type") != "PAUSED")
    assert deployed.ended(run)["type"] == "COMPLETED"
    assert set(statuses(round_)) == {"sent"}
    ((decision, by, note, run_id),) = rows(
        round_, "SELECT decision, decided_by, note, run_id::text FROM approvals"
    )
    assert (decision, by, note, run_id) == ("approved", "prefect:Ana", "as budgeted", run)
    # The page shows the documents once: as they are now, not as the drafts they were when it asked.
    page = deployed.page(run, "monthly-billing")
    assert page.count("The documents of 2026-10.") == 1
    assert "| draft |" not in page
    round_.assert_whole(round_.facts())


def test_rejected_drafts_stay_drafts_and_the_run_says_who_said_no(
    deployed: Deployed, round_: Round
) -> None:
    run = deployed.start("monthly-billing", MONTH, round_, **WANTS_APPROVAL)
    deployed.suspended(run)
    answer = {"run_input": {"decision": "reject", "decided_by": "Ana", "note": "wrong rates"}}
    deployed.ask("POST", f"/flow_runs/{run}/resume", answer)
    wait_for(lambda: deployed.state(run).get("type") != "PAUSED")
    ended = deployed.ended(run)
    assert (ended["type"], ended["name"]) == ("COMPLETED", "NeedsAPerson")
    assert "prefect:Ana rejected the drafts of 2026-10: wrong rates" in ended["message"]
    assert set(statuses(round_)) == {"draft"}


def test_billed_cost_is_shared_anew_through_the_form_once_looked_at(
    deployed: Deployed, round_: Round
) -> None:
    """All of October's usage of agent-etl turns out to be Search's, after everybody was billed."""
    assert deployed.ended(deployed.start("monthly-billing", MONTH, round_))["type"] == "COMPLETED"
    (before,) = rows(round_, "SELECT sum(cost) FROM allocations WHERE team_id = 'team-etl'")
    (of_agent,) = rows(
        round_,
        "SELECT sum(cost) FROM usage_records WHERE agent_id = 'agent-etl' AND team_id IS NULL",
    )
    owners = read("{owners: {agent: {agent-etl: [{team: team-search}]}}}", "owners.yaml")
    with transaction(round_.url) as connection:
        payers.import_file(connection, owners, "tester")
    asked = {"period": PERIOD, "reason": "agent-etl is Search's"}
    shown = deployed.start("reallocation", asked, round_)
    assert deployed.ended(shown)["message"].endswith("would move")
    assert rows(round_, "SELECT sum(cost) FROM allocations WHERE team_id = 'team-etl'") == [before]
    assert "team-search" in deployed.page(shown, "reallocation-shares")
    moved = deployed.start("reallocation", {**asked, "only_show": False}, round_)
    assert deployed.ended(moved)["message"].endswith("moved")
    after = rows(round_, "SELECT sum(cost) FROM allocations WHERE team_id = 'team-etl'")
    assert after == [(before[0] - of_agent[0],)]
    books = round_.facts()
    deployed.retry(moved)
    assert deployed.ended(moved)["type"] == "COMPLETED"
    round_.assert_whole(books)


def test_a_schedule_set_a_minute_ahead_fires_and_bills(
    deployed: Deployed, a_minute_ahead: datetime
) -> None:
    def scheduled() -> dict[str, Any] | None:
        for run in deployed.runs_of("monthly-billing"):
            starts_at = datetime.fromisoformat(run["expected_start_time"])
            if run["auto_scheduled"] and starts_at == a_minute_ahead:
                return run
        return None

    run = wait_for(scheduled)
    assert deployed.ended(run["id"], 240)["type"] == "COMPLETED"
    with snapshot(deployed.killed.url("ledger")) as connection:
        billed = connection.execute(text("SELECT status FROM invoices")).scalars().all()
    assert billed
    assert set(billed) == {"sent"}
