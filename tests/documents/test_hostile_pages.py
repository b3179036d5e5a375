"""Everything that is published of teams and users with hostile names, in a real browser: seen, and inert.

Skipped, and says so, where there is no Chromium: CI installs the system's.
"""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Dialog, Page, Request

from chargeback.settings import settings
from tests.browser import chromium, needs_chromium
from tests.conftest import Ledger
from tests.ledger.books import Books

pytestmark = [
    pytest.mark.proof,
    pytest.mark.timeout(300),
    needs_chromium,
]
NAMES = (
    "<script>alert(1)</script>",
    "</script><script>alert(document.domain)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "<img src=http://attacker.invalid/pixel.gif>",
    '<link rel=stylesheet href="http://attacker.invalid/x.css">',
    '<meta http-equiv=refresh content="0;url=http://attacker.invalid/">',
    '<base href="http://attacker.invalid/">',
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "<style>@import url(http://attacker.invalid/x.css);</style>",
    "javascript:alert(1)",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}${7*7}#{7*7}",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "&lt;b&gt;not bold&lt;/b&gt;",
    '=HYPERLINK("http://attacker.invalid")',
    "\u202egnp.exe\u202c",
    "a\u2028b'-alert(1)-'",
    "../../../etc/passwd",
)


@dataclass
class Watched:
    """A page, and what it did that a page of ours never does."""

    page: Page
    deeds: list[str] = field(default_factory=list)

    def watch(self, root: Path) -> None:
        """Write down dialogs, errors, new windows, and requests that leave the folder of the pages."""

        def asked(request: Request) -> None:
            address = urlsplit(request.url)
            is_ours = address.scheme == "file" and Path(unquote(address.path)).is_relative_to(root)
            if not is_ours and address.scheme not in ("data", "blob"):
                self.deeds.append(f"request {request.url}")

        self.page.on("request", asked)
        self.page.on("dialog", self._opened)
        self.page.on("pageerror", lambda error: self.deeds.append(f"error {error}"))
        self.page.on("popup", lambda _: self.deeds.append("popup"))
        self.page.on("console", self._heard)

    def _opened(self, dialog: Dialog) -> None:
        self.deeds.append("dialog")
        dialog.dismiss()

    def _heard(self, said: object) -> None:
        if getattr(said, "type", "") == "error":
            self.deeds.append(f"console {getattr(said, 'text', '')}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def pages(ledger: Ledger) -> list[Path]:
    """Every page of a month in which each hostile name is a team's or a user's, an agent's, a type's and a unit's."""
    books = Books(ledger)
    for number, name in enumerate(NAMES):
        payer = {"team": name} if number % 2 else {"user": name}
        books.use(**payer, cost="1.25", agent=name, resource_type=name, unit=name)
    books.bill()
    # The flow knows which task publishes the pages.
    importlib.import_module("flows.report_publishing").publish_reports.fn("2026-10")
    return sorted(settings().files.rglob("*.html"))


def test_no_page_does_anything_a_name_says(
    pages: list[Path], browser: Browser, record_property: Callable[[str, object], None]
) -> None:
    assert len(pages) > len(NAMES)
    root = settings().files.resolve()
    watched = Watched(browser.new_page())
    watched.watch(root)
    texts, found = "", []
    for path in pages:
        watched.page.goto(path.resolve().as_uri(), wait_until="load")
        texts += watched.page.inner_text("body")
        if watched.deeds:
            found.append((path.name, list(watched.deeds)))
            watched.deeds.clear()
    watched.page.close()
    assert not found
    unseen = [name for name in NAMES if " ".join(name.split()) not in " ".join(texts.split())]
    assert not unseen
    record_property("proof", ("hostile name in a page", len(NAMES) * 4))


def test_what_is_watched_for_would_be_seen(browser: Browser, tmp_path: Path) -> None:
    """A page without escaping and without a policy: the same watch hears its dialog, its request and its error."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<script>alert(1)</script><img src=http://attacker.invalid/x.gif><script>throw 1</script>",
        encoding="utf-8",
    )
    watched = Watched(browser.new_page())
    watched.watch(tmp_path.resolve())
    watched.page.goto(bad.resolve().as_uri(), wait_until="load")
    watched.page.close()
    assert "dialog" in watched.deeds
    assert "request http://attacker.invalid/x.gif" in watched.deeds
    assert [deed for deed in watched.deeds if deed.startswith("error")]
