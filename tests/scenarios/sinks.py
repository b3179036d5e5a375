"""What of hostile names is missing in a sink, and what of them a program would obey there."""

import csv
import email
import email.policy
import io
import json
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from openpyxl import load_workbook
from pypdf import PdfReader

from chargeback.documents.messages import Attachment, mail, webhook_body
from chargeback.documents.report_csv import original
from chargeback.documents.typesetting import visible
from chargeback.ledger import invoices
from chargeback.ledger.database import snapshot
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.views import InvoiceView
from flows.documents import shown
from flows.page import Page

NOW = datetime(2026, 11, 1, tzinfo=UTC)
OCTOBER = Period.month("2026-10")
NEVER_MADE = ("iframe", "object", "embed", "img", "unclosed", "para", "platform", "base", "form")
FOREIGN = re.compile(r"\s*(javascript|data|https?|file):", re.IGNORECASE)


def squeezed(text: str) -> str:
    """Without white space, which wrapping moves about, and in one spelling."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFC", text))


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
        if tag in NEVER_MADE:
            yield f"<{tag}>"
        yield from (f"{tag} {name}" for name in attributes if name.startswith("on"))
        for name in ("href", "src", "action"):
            # Our own pages say `data:,` where a browser would ask for an icon.
            if (address := attributes.get(name, "")) != "data:," and FOREIGN.match(address):
                yield f"{tag} {name}={attributes[name][:80]}"


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
    page.tables["invoices"] = ("The documents.", [shown(row, False) for row in rows])
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
