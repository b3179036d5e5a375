"""Names of every kind through every sink: visible as they were given, and never obeyed."""

import csv
import email
import email.policy
import io
import json
import logging
import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from markdown_it import MarkdownIt
from openpyxl import load_workbook
from pypdf import PdfReader

from chargeback.documents.messages import Attachment, mail, webhook_body
from chargeback.documents.report_csv import original
from chargeback.documents.typesetting import visible
from chargeback.errors import ChargebackError, Invalid
from chargeback.ledger import invoices
from chargeback.ledger.database import snapshot
from chargeback.periods import Period
from chargeback.posted_usage import read
from chargeback.settings import settings
from chargeback.views import InvoiceView
from entrypoints import cli
from flows.documents import shown
from flows.page import Page
from flows.recording import Record as RunRecord
from tasks.publish_documents import publish_invoices
from tasks.publish_finance import publish_finance
from tests.faults.month import publish
from tests.ledger.books import ACTOR, Books
from tests.ledger.soundness import assert_sound
from tests.scenarios.hostile_names import LONG, NAMES, UNKEPT

Record = Callable[[str, object], None]
NOW = datetime(2026, 11, 1, tzinfo=UTC)
OCTOBER = Period.month("2026-10")
SHORT = [name for place, name in enumerate(NAMES) if place % 3 == 0]
ENOUGH = [pytest.param(SHORT, id="some"), pytest.param(NAMES, id="all", marks=pytest.mark.prove)]


def squeezed(text: str) -> str:
    """Without white space, which wrapping moves about, and in one spelling."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFC", text))


def quoted_yaml(text: str) -> str:
    """A YAML scalar with every sign that is not plain as an escape."""
    return (
        '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in text) + '"'
    )


def live(books: Books, names: list[str]) -> None:
    """Every name is a team, a user, an agent, an account, a tag, a kind of thing, a unit, a rule, a cost centre."""
    teams = ", ".join(
        f"{{id: {quoted_yaml(name)}, name: {quoted_yaml(name)}, cost_center: {quoted_yaml(name)}, "
        f"contact: {quoted_yaml(name)}}}"
        for name in names
    )
    books.import_yaml(f"teams: [{teams}]\nusers: [{{id: ana, name: {quoted_yaml(names[0])}}}]")
    for number, name in enumerate(names):
        books.use(name, name, "1.25", agent=name, account=name, tag=f"t={name}"[:255], resource_type=name, sku=name,
                  unit=name, external_id=f"{number} {name}"[:255])  # fmt: skip
    for name in names[:5]:
        books.rule({"rule_id": name, "name": name, "description": LONG, "rule_type": "by_user",
                    "match": {"agent_ids": [name]}, "user_ids": [name]})  # fmt: skip
    numbers = books.bill()
    books.cancel(numbers[-1], is_rebillable=False)
    books.import_yaml(
        f"owners: {{account: {{{quoted_yaml(names[1])}: [{{team: {quoted_yaml(names[2])}}}]}}}}"
    )
    books.use(names[3], names[3], "2.50", external_id="late").reallocate(
        reason=f"{LONG} {names[3]}"
    )
    books.bill("2026-11", "2026-12-01")


@pytest.fixture(params=ENOUGH)
def names(request: pytest.FixtureRequest) -> list[str]:
    return list(request.param)


@pytest.fixture
def files(books: Books, names: list[str], monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Everything that is published of a company of these names."""
    monkeypatch.setenv("CHARGEBACK_DOCUMENT_PROCESSES", "1")
    settings.cache_clear()
    live(books, names)
    publish()
    publish_invoices.fn("2026-11")
    publish_finance.fn("2026-10")
    return [path for path in settings().files.rglob("*") if path.is_file()]


def of_kind(files: list[Path], suffix: str) -> list[Path]:
    found = [path for path in files if path.suffix == f".{suffix}"]
    assert found, suffix
    return found


class Html(HTMLParser):
    """A page's text, its tags with their attributes, and what is in its scripts."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text, self._in = "", ""
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = tag
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, _tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in not in ("style", "script"):
            self.text += data


def obeyed(page: Html) -> Iterator[str]:
    """What of the names a browser would do."""
    for tag, attributes in page.tags:
        if tag in (
            "iframe",
            "object",
            "embed",
            "img",
            "unclosed",
            "para",
            "platform",
            "base",
            "form",
        ):
            yield f"<{tag}>"
        yield from (f"{tag} {name}" for name in attributes if name.startswith("on"))
        for name in ("href", "src", "action"):
            if re.match(
                r"\s*(javascript|data|https?|file):", attributes.get(name, ""), re.IGNORECASE
            ):
                yield f"{tag} {name}={attributes[name][:80]}"


def test_every_sink_shows_the_names_and_obeys_none(
    files: list[Path], names: list[str], books: Books, record_property: Record
) -> None:
    missing: dict[str, list[str]] = {
        "pdf": list(missing_in_pdfs(of_kind(files, "pdf"), names)),
        "html": list(missing_in_pages(of_kind(files, "html"), names)),
        "csv": list(missing_in_tables(of_kind(files, "csv"), names)),
        "xlsx": list(missing_in_workbooks(of_kind(files, "xlsx"), names)),
        "file names": list(odd_files(files)),
        "artifacts": list(missing_in_artifacts(names)),
        "mail and webhooks": list(missing_in_messages(names)),
    }
    assert missing == {sink: [] for sink in missing}
    assert_sound()
    record_property("proof", ("hostile names through sinks", len(names) * len(missing)))


def missing_in_pdfs(paths: list[Path], names: list[str]) -> Iterator[str]:
    said = ""
    for path in paths:
        data = path.read_bytes()
        yield from (
            f"{path.name} has {what!r}"
            for what in (b"/JavaScript", b"/OpenAction", b"/URI", b"/Launch", b"/Annots")
            if what in data
        )
        said += squeezed("".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages))
    for name in names:
        # Letters that run from right to left are extracted in the order in which they are seen.
        parts = (
            [name]
            if not any(unicodedata.bidirectional(c) in "RAL" and c > "\u0590" for c in name)
            else list(name)
        )
        yield from (name for part in parts if squeezed(visible(part)) not in said)


def missing_in_pages(paths: list[Path], names: list[str]) -> Iterator[str]:
    text = ""
    for path in paths:
        page = Html(path.read_text("utf-8"))
        text += page.text
        yield from (f"{path.name}: {what}" for what in obeyed(page))
    yield from (name for name in names if squeezed(name) not in squeezed(text))


def missing_in_tables(paths: list[Path], names: list[str]) -> Iterator[str]:
    seen = set()
    for path in paths:
        for row in csv.reader(io.StringIO(path.read_bytes().decode(), newline="")):
            for cell in row:
                seen.add(original(cell))
                if cell.lstrip(" \n\v\f").startswith(
                    tuple("=+-@\t\r＝＋－＠")
                ) and not re.fullmatch(r"-?[\d.]+", cell):
                    yield f"{path.name}: {cell!r} is computed"
    yield from (name for name in names if name not in seen)


def missing_in_workbooks(paths: list[Path], names: list[str]) -> Iterator[str]:
    seen = set()
    for path in paths:
        for sheet in load_workbook(path):
            for row in sheet.iter_rows():
                for cell in row:
                    seen.add(str(cell.value))
                    if cell.data_type == "f" or cell.hyperlink:
                        yield f"{path.name}: {cell.value!r} is computed or a link"
    yield from (
        name for name in names if not {name, name.replace("\r", "\n")} & seen and name.isprintable()
    )


def odd_files(paths: list[Path]) -> Iterator[str]:
    root = settings().files
    for path in paths:
        place = path.relative_to(root).as_posix()
        if (
            not re.fullmatch(r"[A-Za-z0-9_./-]{1,200}", place)
            or ".." in place
            or not path.resolve().is_relative_to(root.resolve())
        ):
            yield place


def missing_in_artifacts(names: list[str]) -> Iterator[str]:
    """What Prefect's page shows of the markdown, read as a browser would, with any HTML in it obeyed."""
    with snapshot() as connection:
        rows = invoices.rows(connection, OCTOBER)
    page = Page("invoice-run 2026-10", [f"team {name} was billed" for name in names], list(names))
    page.tables.append(("The documents.", [shown(row, False) for row in rows]))
    html = Html(MarkdownIt("commonmark", {"html": True}).enable("table").render(page.markdown()))
    yield from obeyed(html)
    yield from {tag for tag, _ in html.tags} - {
        "h1",
        "h2",
        "ul",
        "li",
        "p",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "a",
    }
    yield from (name for name in names if squeezed(name) not in squeezed(html.text))


def missing_in_messages(names: list[str]) -> Iterator[str]:
    for view in of_teams(names):
        sent = mail(view, "invoice.sent", 0, "billing@acme.test", "Acme\nBcc: x@y.test", "ana@acme.test", "m-1",
                    Attachment(f"{view.number}.pdf", b"%PDF"))  # fmt: skip
        got = email.message_from_bytes(sent.as_bytes(), policy=email.policy.default)
        if set(got.keys()) - {
            "From",
            "To",
            "Subject",
            "Message-ID",
            "Auto-Submitted",
            "MIME-Version",
            "Content-Type",
        }:
            yield f"headers {got.keys()}"
        body = got.get_body(("plain",))
        assert body is not None
        printable = "".join(c for c in view.bill_to.name if c.isprintable())
        if squeezed(printable) not in squeezed(body.get_content()):
            yield f"mail {view.bill_to.name!r}"
        if webhook(view)["data"]["team_id"] != view.team_id:
            yield f"webhook {view.team_id!r}"


def webhook(view: InvoiceView) -> Any:
    return json.loads(webhook_body(view, "invoice.sent", NOW))


def of_teams(names: list[str]) -> list[InvoiceView]:
    with snapshot() as connection:
        ids = invoices.published_ids(connection, OCTOBER, None, None)
        return [view for view in invoices.views(connection, ids) if view.team_id in names]


@pytest.mark.proof
def test_a_log_has_a_line_per_sentence_whatever_the_names(
    caplog: pytest.LogCaptureFixture, record_property: Record
) -> None:
    record = RunRecord(uuid4(), ACTOR, Page("x"))
    with caplog.at_level(logging.INFO, "chargeback.flows"):
        for name in NAMES:
            record.say(f"team {name} was billed")
            record.need_a_person(f"team {name} is unknown")
    for line in caplog.messages:
        assert line.isprintable(), line
        assert line.startswith("team ")
    record_property("proof", ("hostile names through sinks", len(NAMES)))


@pytest.mark.proof
def test_a_terminal_is_shown_names_and_obeys_none(
    books: Books, capsys: pytest.CaptureFixture[str], record_property: Record
) -> None:
    live(books, list(SHORT))
    assert "\x1b[31mred\x1b[0m" in NAMES
    for command in (["status", "2026-10"], ["teams"], ["rules"], ["audit", "list"]):
        capsys.readouterr()
        status = cli.main(command)
        said = capsys.readouterr()
        assert status == 0, said.err
        assert all(sign.isprintable() or sign == "\n" for sign in said.out), command
    record_property("proof", ("hostile names through sinks", 4 * len(SHORT)))


@pytest.mark.proof
@pytest.mark.parametrize("name", UNKEPT)
def test_what_cannot_be_kept_is_refused_at_every_door(
    books: Books, name: str, record_property: Record
) -> None:
    doors: dict[str, Callable[[], object]] = {
        "usage": lambda: read({"cost_usd": 1, "team_id": name}, NOW),
        "rule": lambda: books.rule({"rule_id": name, "rule_type": "by_team", "team_id": "a"}),
        "team": lambda: books.import_yaml(f"teams: [{{id: {quoted_yaml(name)}}}]"),
        "owner": lambda: books.import_yaml(
            f"owners: {{agent: {{a: [{{team: {quoted_yaml(name)}}}]}}}}"
        ),
        "number": lambda: books.draft("search", number=name),
    }
    for door, go in doors.items():
        with pytest.raises(ChargebackError) as refused:
            go()
        assert isinstance(refused.value, Invalid), door
        assert len(str(refused.value)) < 400
    record_property("proof", ("hostile names refused at doors", len(doors)))


def test_a_name_that_fits_no_page_is_refused_where_it_is_given(books: Books) -> None:
    with pytest.raises(Invalid, match=r"teams\.0\.name: .*has 9998 characters; give 255 at most"):
        books.import_yaml(f"teams: [{{id: a, name: {quoted_yaml(LONG)}}}]")
