"""A person in Prefect's UI: fills the form of invoice-on-demand, sees the run complete, reads its page, retries it;
and approves a month's drafts in the form of the suspended run.

Skipped, and says so, where there is no Chromium: CI installs the system's. The pictures lie in the test's folder.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page
from sqlalchemy import text

from chargeback.ledger.database import snapshot
from tests.browser import chromium, needs_chromium
from tests.faults.findings import facts
from tests.faults.killed_stack import Round
from tests.flows.deployed import Deployed, wait_for

PATIENCE_MS = 60_000

pytestmark = [
    pytest.mark.timeout(600),
    needs_chromium,
]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        yield page


def test_a_person_invoices_a_team_from_the_form_and_retries_the_run(
    deployed: Deployed, page: Page, tmp_path: Path
) -> None:
    ui = deployed.killed.stack.prefect_ui_url
    ledger = deployed.killed.url("ledger")
    usage_sync = deployed.deployment("usage-sync")["id"]
    sync = deployed.ask("POST", f"/deployments/{usage_sync}/create_flow_run", {}).json()["id"]
    assert deployed.ended(sync)["type"] == "COMPLETED"

    page.goto(f"{ui}/deployments/deployment/{deployed.deployment('invoice-on-demand')['id']}/run")
    fields = page.locator("textarea")
    fields.nth(0).wait_for()
    fields.nth(0).fill("team-search")
    fields.nth(2).fill("2026-10")
    page.screenshot(path=tmp_path / "form.png")
    page.get_by_role("button", name="Submit").click()

    run_id = wait_for(lambda: next((str(run["id"]) for run in deployed.runs_of("invoice-on-demand")
                                    if run["parameters"].get("team") == "team-search"
                                    and not run["job_variables"]), None))  # fmt: skip
    assert deployed.ended(run_id)["type"] == "COMPLETED"
    page.goto(f"{ui}/runs/flow-run/{run_id}")
    page.get_by_text("Completed").first.wait_for()
    page.get_by_text("invoice-on-demand team-search 2026-10").first.wait_for()
    page.screenshot(path=tmp_path / "run.png")

    page.get_by_text("Artifacts", exact=True).click()
    page.get_by_text("What invoice-on-demand team-search 2026-10 did.").first.wait_for()
    artifacts = deployed.ask("POST", "/artifacts/filter", {
        "artifacts": {"flow_run_id": {"any_": [run_id]}, "key": {"any_": ["invoice-on-demand"]}}}).json()  # fmt: skip
    page.goto(f"{ui}/artifacts/artifact/{artifacts[0]['id']}")
    told = page.get_by_text(re.compile(r"invoice INV-\d{8}-\d{4} of team team-search for 2026-10"))
    told.first.wait_for()
    page.screenshot(path=tmp_path / "artifact.png")

    before = facts(ledger)
    page.goto(f"{ui}/runs/flow-run/{run_id}")
    page.get_by_role("button", name="Retry").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    wait_for(lambda: deployed.run(run_id)["run_count"] == 2)
    assert deployed.ended(run_id)["type"] == "COMPLETED"
    assert facts(ledger) == before


def test_a_person_approves_the_drafts_in_the_form(
    deployed: Deployed, round_: Round, page: Page, tmp_path: Path
) -> None:
    month = {"period": "2026-10", "business_date": "2026-11-01"}
    run = deployed.start("monthly-billing", month, round_, CHARGEBACK_REQUIRE_APPROVAL="true")
    deployed.suspended(run)
    page.goto(f"{deployed.killed.stack.prefect_ui_url}/runs/flow-run/{run}")
    page.get_by_role("button", name="Resume").first.click()
    form = page.get_by_role("dialog")
    form.get_by_text("INV-20261101-0001").wait_for()
    form.locator("button.p-select-button__control").press("Space")
    page.locator(".p-select-option").filter(has_text="approve").click()
    form.locator("textarea").nth(0).fill("Ana")
    form.locator("textarea").nth(1).fill("as budgeted")
    page.screenshot(path=tmp_path / "approval.png")
    form.get_by_role("button", name="Submit").click()
    wait_for(lambda: deployed.state(run).get("type") != "PAUSED")
    assert deployed.ended(run)["type"] == "COMPLETED"
    with snapshot(round_.url) as connection:
        decided = connection.execute(text("SELECT decision, decided_by, note FROM approvals")).all()
        assert [tuple(row) for row in decided] == [("approved", "prefect:Ana", "as budgeted")]
        statuses = connection.execute(text("SELECT DISTINCT status FROM invoices")).scalars().all()
    assert statuses == ["sent"]
