"""The published files in a browser: a token as password, a team's own pages only, nothing that was not published."""

import base64
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from chargeback.documents import drawing_process, site_shares
from chargeback.documents.file_store import FileStore
from chargeback.ledger import database, publications, tokens
from chargeback.ledger.database import snapshot, transaction
from chargeback.settings import settings
from entrypoints.api.app import make_app
from models.enums import TokenRole
from tasks.publish_documents import publish_invoices
from tasks.publish_reports import publish_reports
from tests.entrypoints.api.conftest import served
from tests.postgres import Server

PERIOD = "2026-10"


@pytest.fixture(scope="module")
def october(
    postgres: Server, two_teams_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """The story's ledger with October published, and its files: published once, copied by each test."""
    name, files = (
        postgres.create_database(two_teams_template),
        tmp_path_factory.mktemp("site") / "files",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARGEBACK_DATABASE_URL", postgres.url(name, "chargeback_app"))
        patch.setenv("CHARGEBACK_FILE_STORE", str(files))
        settings.cache_clear()
        publish_invoices.fn(PERIOD)
        publish_reports.fn(PERIOD)
    settings.cache_clear()
    database.engine(postgres.url(name, "chargeback_app")).dispose()
    database.engine.cache_clear()
    yield name, files
    postgres.drop_database(name)


@pytest.fixture
def site(
    postgres: Server, october: tuple[str, Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx.Client]:
    """A client of a server over a copy of that."""
    copied, files = postgres.create_database(october[0]), home / "files"
    shutil.copytree(october[1], files)
    url = postgres.url(copied, "chargeback_app")
    monkeypatch.setenv("CHARGEBACK_DATABASE_URL", url)
    monkeypatch.setenv("CHARGEBACK_FILE_STORE", str(files))
    settings.cache_clear()
    with (
        served(make_app()) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=60, follow_redirects=True) as client,
    ):  # fmt: skip
        yield client
    database.engine(url).dispose()
    database.engine.cache_clear()
    postgres.drop_database(copied)


def made_token(role: TokenRole, team: str | None = None) -> httpx.BasicAuth:
    with transaction() as connection:
        name = team or role.value
        _, secret = tokens.create(connection, name, role, team, 30, datetime.now(UTC), "tester")
    return httpx.BasicAuth("anybody", secret)


def uris(kind: str) -> dict[str, str]:
    with snapshot() as connection:
        return {about: one.uri for about, one in publications.newest(connection, kind).items()}


def test_while_there_is_no_token_the_list_leads_to_the_overview_and_on_to_a_pdf(
    site: httpx.Client,
) -> None:
    shelf = site.get("/site")
    assert shelf.status_code == 200
    overview = uris("overview")[PERIOD].removeprefix("reports/")
    assert f'href="{overview}"' in shelf.text
    page = site.get(f"/site/reports/{overview}")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert ">red<" in page.text
    team = site.get(f"/site/{uris('report')['team red 2026-10']}")
    pdf = uris("invoice").popitem()[1]
    assert f"../../../../{uris('invoice')[number_of(team.text)]}" in team.text
    assert site.get(f"/site/{pdf}").content.startswith(b"%PDF")


def test_several_processes_publish_the_same_files_as_one(
    site: httpx.Client, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    published = {path for path in (home / "files").rglob("*") if path.is_file()}
    monkeypatch.setattr(drawing_process, "WORTH_PROCESSES", 1)
    monkeypatch.setattr(drawing_process, "LEAST_TOGETHER", 1)
    monkeypatch.setenv("CHARGEBACK_DOCUMENT_PROCESSES", "3")
    settings.cache_clear()
    assert publish_invoices.fn(PERIOD)["new"] == 0
    assert publish_reports.fn(PERIOD)["new"] == 0
    assert {path for path in (home / "files").rglob("*") if path.is_file()} == published
    assert site.get(f"/site/{uris('invoice').popitem()[1]}").content.startswith(b"%PDF")


def test_a_process_whose_session_ends_costs_no_page(
    site: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert site.get("/site").status_code == 200
    monkeypatch.setattr(drawing_process, "WORTH_PROCESSES", 1)
    monkeypatch.setenv("CHARGEBACK_DOCUMENT_PROCESSES", "2")
    settings.cache_clear()
    # No snapshot of that name is open, so that the child cannot read; this process can, by its own connection.
    monkeypatch.setattr(site_shares, "export", lambda _: "0000007F-0000007F-1")
    assert publish_reports.fn(PERIOD)["new"] == 0


def number_of(page: str) -> str:
    return next(number for number in uris("invoice") if number in page)


def test_a_browser_is_asked_for_a_token_and_its_name_does_not_matter(site: httpx.Client) -> None:
    auth = made_token(TokenRole.OPERATOR)
    refused = site.get("/site")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic ")
    assert site.get("/site", auth=auth).status_code == 200


def test_the_api_itself_takes_no_password_that_a_browser_would_send_along(
    site: httpx.Client,
) -> None:
    auth = made_token(TokenRole.ADMIN)
    answer = site.get("/api/chargeback/invoices", auth=auth)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("credentials", ["%%%", base64.b64encode(b"\xff:\xff").decode()])
def test_credentials_that_cannot_be_read_are_no_token(site: httpx.Client, credentials: str) -> None:
    made_token(TokenRole.ADMIN)
    answer = site.get("/site", headers={"Authorization": f"Basic {credentials}"})
    assert answer.status_code == 401


def test_a_viewer_lists_its_own_pages_and_reads_what_is_its_teams(site: httpx.Client) -> None:
    auth = made_token(TokenRole.VIEWER, "red")
    reports = uris("report")
    shelf = site.get("/site", auth=auth).text
    assert reports["team red 2026-10"].removeprefix("reports/") in shelf
    assert "index.html" not in shelf
    page = site.get(f"/site/{reports['team red 2026-10']}", auth=auth)
    assert page.status_code == 200
    number = number_of(page.text)
    for uri in (uris("invoice")[number], uris("invoice-page")[number], uris("report-csv")["team red 2026-10"],
                reports["user ana 2026-10"], *uris("asset").values()):  # fmt: skip
        assert site.get(f"/site/{uri}", auth=auth).status_code == 200


def test_what_is_another_teams_or_nobodys_alone_is_to_a_viewer_as_if_it_were_not(
    site: httpx.Client,
) -> None:
    auth = made_token(TokenRole.VIEWER, "red")
    with snapshot() as connection:
        every = [one for kind in ("report", "report-csv", "invoice", "invoice-page", "rule-page")
                 for one in publications.all_of(connection, kind)]  # fmt: skip
    missing = site.get("/site/reports/none.html", auth=auth)
    seen = set()
    for one in every:
        answer = site.get(f"/site/{one.uri}", auth=auth)
        if answer.status_code == 404:
            assert answer.json()["code"] == missing.json()["code"] == "file_not_found"
            assert "red" not in one.subject.split()
        else:
            seen.add(one.subject)
    invoice = number_of(site.get(f"/site/{uris('report')['team red 2026-10']}", auth=auth).text)
    assert seen == {"team red 2026-10", "user ana 2026-10", invoice}


def test_a_browser_is_told_in_words_that_a_page_is_not_there_or_not_its_own(
    site: httpx.Client,
) -> None:
    auth, browser = made_token(TokenRole.VIEWER, "red"), {"Accept": "text/html,*/*"}
    told = {
        site.get(f"/site/{uri}", auth=auth, headers=browser).content
        for uri in (uris("report")["team tan 2026-10"], "reports/none.html")
    }
    (page,) = told
    assert b"not yours to read" in page
    assert b'href="/site/reports/index.html"' in page


def test_the_way_up_leads_a_viewer_to_its_own_page_of_that_edition(site: httpx.Client) -> None:
    auth = made_token(TokenRole.VIEWER, "red")
    answer = site.get(f"/site/{uris('overview')[PERIOD]}", auth=auth)
    assert answer.status_code == 200
    assert answer.url.path == f"/site/{uris('report')['team red 2026-10']}"


@pytest.mark.parametrize(
    "uri", ["reports/../../secret", "..%2f..%2fsecret", "%2fetc%2fpasswd", "reports/assets", "é"]
)
def test_only_what_was_published_is_served(site: httpx.Client, home: Path, uri: str) -> None:
    (home / "secret").write_text("no")
    assert site.get(f"/site/{uri}").status_code == 404


def test_a_file_that_was_tampered_with_is_not_served(site: httpx.Client) -> None:
    uri = uris("report")["team red 2026-10"]
    FileStore(settings().files).path(uri).write_text("<p>pay me")
    answer = site.get(f"/site/{uri}")
    assert answer.status_code == 503
    assert answer.json()["code"] == "file_damaged"


def test_shared_files_are_kept_by_browsers_and_pages_are_not(site: httpx.Client) -> None:
    style = next(uri for name, uri in uris("asset").items() if name.endswith(".css"))
    assert "immutable" in site.get(f"/site/{style}").headers["cache-control"]
    page = site.get(f"/site/{uris('overview')[PERIOD]}")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["cross-origin-resource-policy"] == "same-origin"
