"""A person in a browser with the synthetic company's reports: from the overview down to a usage record.

Skipped, and says so, where there is no Chromium: CI installs the system's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from chargeback.documents import site_names
from chargeback.ledger import database, publications, tokens
from chargeback.ledger.database import snapshot, transaction
from chargeback.settings import settings
from entrypoints.api.app import make_app
from examples.synthetic_company.story import tell
from models.enums import TokenRole
from tests.browser import chromium, needs_chromium
from tests.conftest import Ledger
from tests.entrypoints.api.conftest import served
from tests.postgres import Server

DESKTOP, PHONE = {"width": 1200, "height": 900}, {"width": 390, "height": 844}
OCTOBER = "2026-10"

pytestmark = [
    pytest.mark.timeout(300),
    needs_chromium,
]


@dataclass(frozen=True)
class Told:
    """The company's ledger and files, told once for all tests of this page: they only read."""

    url: str
    files: Path

    def uri(self, kind: str, about: str) -> str:
        """Where the newest file of that kind and subject lies."""
        with snapshot(self.url) as connection:
            return publications.newest(connection, kind)[about].uri


@pytest.fixture(scope="module")
def told(
    postgres: Server, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("company")
    name = postgres.create_database(template)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARGEBACK_HOME", str(folder))
        patch.setenv("CHARGEBACK_DATABASE_URL", postgres.url(name, "chargeback_app"))
        settings.cache_clear()
        tell(folder / "company")
        company = Told(postgres.url(name, "chargeback_app"), settings().files)
    settings.cache_clear()
    yield company
    database.engine(company.url).dispose()
    database.engine.cache_clear()
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@dataclass
class Visit:
    """A page in the browser, with everything it complained of and everything it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(20_000)
        self.page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def bars(self, charts: int) -> int:
        """How many bars stand in the page's charts, once so many are drawn."""
        self.page.wait_for_function(
            "n => document.querySelectorAll('.plot .main-svg .bars path').length"
            " && document.querySelectorAll('.drawn').length === n", arg=charts
        )  # fmt: skip
        return self.page.locator(".plot .bars path").count()


def visit(browser: Browser, **options: Any) -> Visit:
    return Visit(browser.new_context(**{"viewport": DESKTOP, **options}).new_page())


def test_a_person_clicks_from_the_list_of_periods_to_a_usage_record(
    told: Told, browser: Browser
) -> None:
    seen = visit(browser)
    page = seen.page
    page.goto((told.files / site_names.SHELF).as_uri())
    page.get_by_role("link", name="October 2026").click()
    assert seen.bars(2) > 3 * 7  # Three months of six teams and the others, and the changes.
    page.get_by_role("link", name="Machine Learning").click()
    assert seen.bars(3) > 31
    page.get_by_role("link", name="INV-", exact=False).first.click()
    page.get_by_role("link", name="Usage of query, 2026-10").click()
    line = page.locator(".lineage[open]")
    line.locator("table.records tbody tr").first.wait_for()
    with snapshot(told.url) as connection:
        known = set(connection.exec_driver_sql("SELECT external_id FROM usage_records").scalars())
    record = line.locator("table.records tbody tr").first.locator("td").first.inner_text()
    assert record in known
    page.get_by_role("link", name="October 2026").click()
    page.get_by_role("heading", name="October 2026").wait_for()
    assert seen.complaints == []
    assert {url.partition(":")[0] for url in seen.asked} <= {"file", "data"}


def test_a_shared_cost_is_followed_from_the_line_to_its_rule_and_records(
    told: Told, browser: Browser
) -> None:
    seen = visit(browser)
    seen.page.goto((told.files / told.uri("report", f"team team-support {OCTOBER}")).as_uri())
    seen.page.get_by_role("link", name="INV-", exact=False).first.click()
    seen.page.get_by_role("link", name="Usage of query, 2026-10").click()
    seen.page.get_by_role("link", name="The support agent is shared").last.click()
    assert seen.bars(1) > 31
    assert seen.page.locator("table.records tbody tr").count() == 10
    assert "team-support 60 %" in seen.page.inner_text(".facts")
    assert seen.complaints == []


@pytest.mark.parametrize(
    ("viewport", "scheme"),
    [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light"), (PHONE, "dark")],
)
def test_every_kind_of_page_is_accessible_and_fits(
    told: Told, browser: Browser, viewport: dict[str, int], scheme: str
) -> None:
    seen = visit(browser, viewport=viewport, color_scheme=scheme)
    about = {
        "overview": OCTOBER,
        "report": f"team team-search {OCTOBER}",
        "rule-page": f"gateway-for-all v1 {OCTOBER}",
    }
    with snapshot(told.url) as connection:
        number = sorted(publications.newest(connection, "invoice-page"))[-1]
    pages = [told.uri(kind, subject) for kind, subject in about.items()]
    for uri in (site_names.SHELF, *pages, told.uri("invoice-page", number)):
        seen.page.goto((told.files / uri).as_uri())
        seen.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        found = Axe().run(seen.page)
        assert [one["id"] for one in found.response["violations"]] == [], uri
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), uri


def test_without_scripts_every_figure_is_in_a_table(told: Told, browser: Browser) -> None:
    seen = visit(browser, java_script_enabled=False)
    seen.page.goto((told.files / told.uri("report", f"team team-ml {OCTOBER}")).as_uri())
    seen.page.get_by_text("Figures: charged by day").click()
    assert seen.page.get_by_role("rowheader", name="2026-10-14").is_visible()
    assert seen.page.locator(".drawn").count() == 0


def test_a_printed_page_is_light_and_its_charts_fit_the_paper(told: Told, browser: Browser) -> None:
    seen = visit(browser, color_scheme="dark")
    seen.page.goto((told.files / told.uri("overview", OCTOBER)).as_uri())
    seen.bars(2)
    seen.page.emulate_media(media="print")
    assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"  # fmt: skip
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_teams_viewer_signs_in_with_its_token_and_sees_charts_from_this_server_alone(
    told: Told, browser: Browser, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARGEBACK_DATABASE_URL", told.url)
    monkeypatch.setenv("CHARGEBACK_FILE_STORE", str(told.files))
    settings.cache_clear()
    with transaction() as connection:
        _, secret = tokens.create(
            connection, "board", TokenRole.VIEWER, "team-ml", 30, datetime.now(UTC), "tester"
        )
    with served(make_app()) as address:
        seen = visit(browser, http_credentials={"username": "me", "password": secret})
        seen.page.goto(f"{address}/site")
        seen.page.get_by_role("link", name="October 2026").click()
        assert seen.bars(3) > 31
        seen.page.get_by_role("link", name="INV-", exact=False).first.click()
        seen.page.get_by_role("heading", name="INV-", exact=False).wait_for()
        assert seen.complaints == []
        assert {url.partition("/site")[0] for url in seen.asked if not url.startswith("data:")} == {
            address
        }
        seen.page.context.close()
