"""Documents go out: by a real mail server and to a real web server, once each."""

import base64
import json
import threading
from collections.abc import Iterator
from datetime import date
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from standardwebhooks import Webhook

from chargeback.documents.messages import Attachment, mail
from chargeback.errors import Unavailable
from chargeback.ledger import deliveries, issuing
from chargeback.ledger.database import transaction
from chargeback.settings import settings
from models.enums import InvoiceStatus
from tasks.deliver_documents import deliver_documents
from tasks.publish_documents import publish_invoices
from tests.conftest import Ledger
from tests.documents.samples import make_invoice
from tests.entrypoints.conftest import free_port
from tests.ledger.books import Books
from tests.ledger.soundness import assert_sound

ISSUED = date(2026, 11, 1)
PAYERS = """
teams:
  - {id: search, name: Search, contact: "search-leads@example.com"}
  - {id: support, name: Support, contact: "Fay <fay@example.com>, bob@example.com", net_days: 14}
  - {id: etl, name: Pipelines, contact: "#etl on chat"}
"""
SECRET = "whsec_" + base64.b64encode(b"a key of the tests only").decode()


class Mailbox:
    """Takes mail, or refuses it with `answer`."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answer: str | None = None

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answer:
            return self.answer
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"

    @property
    def told(self) -> list[tuple[str, str]]:
        return sorted((str(m["To"]), str(m["Subject"])) for m in self.mails)


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    box, port = Mailbox(), free_port()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    for name, value in (("HOST", "127.0.0.1"), ("PORT", str(port)), ("SECURITY", "none")):
        monkeypatch.setenv(f"CHARGEBACK_SMTP_{name}", value)
    settings.cache_clear()
    yield box
    server.stop()


@pytest.fixture
def books(ledger: Ledger) -> Iterator[Books]:
    """October, billed and published: 3.00 to search, 2.00 to support, 1.00 to etl."""
    books = Books(ledger)
    books.import_yaml(PAYERS)
    books.use("search", "ana", "3.00").use("support", "bob", "2.00").use("etl", "cat", "1.00")
    books.bill()
    publish_invoices.fn("2026-10")
    yield books
    assert_sound()


def move(number: str, status: InvoiceStatus, on: date) -> None:
    with transaction() as connection:
        issuing.move(connection, issuing.find(connection, number), status, on, "tester", "why")
    publish_invoices.fn("2026-10")


def test_each_payer_with_an_address_gets_the_invoice_with_its_pdf_once(
    books: Books, mailbox: Mailbox
) -> None:
    assert deliver_documents.fn(ISSUED)["sent"] == 3
    assert [to for to, _ in mailbox.told] == [
        "bob@example.com",
        "fay@example.com",
        "search-leads@example.com",
    ]
    mail = next(m for m in mailbox.mails if m["To"] == "search-leads@example.com")
    assert mail["Subject"] == "Invoice INV-20261101-0002 of Chargeback for 2026-10 (3.00 USD)"
    (pdf,) = mail.iter_attachments()
    assert pdf.get_filename() == "INV-20261101-0002.pdf"
    assert pdf.get_content().startswith(b"%PDF-")
    assert deliver_documents.fn(ISSUED) == {"queued": 0, "sent": 0, "refused": []}
    assert len(mailbox.mails) == 3


def test_a_payer_is_reminded_once_at_each_age(books: Books, mailbox: Mailbox) -> None:
    deliver_documents.fn(ISSUED)
    mailbox.mails.clear()
    with transaction() as connection:  # Support has 14 days: due on 15 November.
        assert issuing.sweep(connection, date(2026, 11, 20), "tester") == ["INV-20261101-0003"]
    assert deliver_documents.fn(date(2026, 11, 20))["sent"] == 0
    for day in (22, 23, 30):  # 7, 8 and 15 days past due
        deliver_documents.fn(date(2026, 11, day))
    assert [to for to, _ in mailbox.told] == ["bob@example.com", "fay@example.com"]
    assert "is 7 days past due (2.00 USD)" in mailbox.told[0][1]
    deliver_documents.fn(date(2026, 12, 6))  # 21 days
    assert len(mailbox.mails) == 4


def test_a_credit_note_goes_to_whoever_was_sent_its_invoice(books: Books, mailbox: Mailbox) -> None:
    deliver_documents.fn(ISSUED)
    mailbox.mails.clear()
    move("INV-20261101-0002", InvoiceStatus.CANCELLED, date(2026, 11, 2))
    deliver_documents.fn(date(2026, 11, 2))
    assert mailbox.told == [
        ("search-leads@example.com", "Credit note CN-20261102-0001 of Chargeback (-3.00 USD)")
    ]


def test_an_invoice_cancelled_before_its_mail_went_out_is_nobodys_news(
    books: Books, mailbox: Mailbox
) -> None:
    move("INV-20261101-0002", InvoiceStatus.CANCELLED, date(2026, 11, 2))
    deliver_documents.fn(date(2026, 11, 2))
    assert [to for to, _ in mailbox.told] == ["bob@example.com", "fay@example.com"]


def test_what_was_issued_long_ago_is_sent_only_when_asked_for(
    books: Books, mailbox: Mailbox
) -> None:
    assert deliver_documents.fn(date(2026, 11, 9))["sent"] == 0
    assert deliver_documents.fn(date(2026, 11, 9), "INV-20261101-0002")["sent"] == 1


def test_a_server_that_cannot_now_is_tried_again(books: Books, mailbox: Mailbox) -> None:
    mailbox.answer = "451 later"
    with pytest.raises(Unavailable, match="3 messages could not be sent"):
        deliver_documents.fn(ISSUED)
    mailbox.answer = None
    assert deliver_documents.fn(ISSUED)["sent"] == 3


def test_a_refused_address_is_shown_and_not_tried_again_by_itself(
    books: Books, mailbox: Mailbox
) -> None:
    mailbox.answer = "550 no such mailbox"
    refused = deliver_documents.fn(ISSUED)["refused"]
    assert "INV-20261101-0002 to search-leads@example.com" in refused[0] + refused[1] + refused[2]
    mailbox.answer = None
    assert deliver_documents.fn(ISSUED)["sent"] == 0
    assert deliver_documents.fn(ISSUED, "INV-20261101-0002")["sent"] == 1


def test_a_mail_without_its_pdf_waits_for_it(ledger: Ledger, mailbox: Mailbox) -> None:
    books = Books(ledger)
    books.import_yaml(PAYERS)
    books.use("search", "ana", "3.00").bill()
    with pytest.raises(Unavailable, match="has no PDF yet"):
        deliver_documents.fn(ISSUED)
    publish_invoices.fn("2026-10")
    assert deliver_documents.fn(ISSUED)["sent"] == 1


def test_a_message_being_sent_by_another_is_left_to_it(books: Books, mailbox: Mailbox) -> None:
    with transaction() as connection:
        deliveries.queue(connection, ISSUED, deliveries.Channels(True, None, 7, ()))
        first, *_ = deliveries.waiting(connection)
    with transaction() as other:
        assert deliveries.lock(other, first)
        assert deliver_documents.fn(ISSUED)["sent"] == 2


def test_a_name_with_line_ends_makes_no_header(books: Books) -> None:
    made = mail(make_invoice(), "invoice.sent", 0, "a@example.com", "Evil\r\nBcc: x@example.com",
                "b@example.com", "1", Attachment("a.pdf", b"%PDF-"))  # fmt: skip
    assert made["Bcc"] is None
    assert "\n" not in str(made["Subject"])


def test_a_statement_is_mailed_as_one_and_nobody_is_reminded_to_pay_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = mail(make_invoice(), "invoice.sent", 0, "a@example.com", "Acme", "b@example.com", "1",
                Attachment("a.pdf", b"%PDF-"), is_statement=True)  # fmt: skip
    assert str(made["Subject"]).startswith("Statement INV-20261101-0001 of Acme")
    told = made.get_body(("plain",))
    assert told is not None
    assert "Nothing is to be paid." in told.get_content()
    assert "due on" not in told.get_content()
    monkeypatch.setenv("CHARGEBACK_DOCUMENT_FORM", "statement")
    settings.cache_clear()
    assert settings().reminder_ages == ()


class Hook(BaseHTTPRequestHandler):
    """Keeps what it is told."""

    got: list[tuple[dict[str, str], bytes]]
    status = 204

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hook]]:
    kept = type("Kept", (Hook,), {"got": []})
    server = HTTPServer(("127.0.0.1", 0), kept)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("CHARGEBACK_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/hook")
    monkeypatch.setenv("CHARGEBACK_WEBHOOK_SECRET", SECRET)
    settings.cache_clear()
    yield kept
    server.shutdown()
    server.server_close()


def test_a_webhook_is_signed_and_told_once(books: Books, hook: type[Hook]) -> None:
    deliver_documents.fn(ISSUED)
    assert len(hook.got) == 3
    headers, body = hook.got[1]
    assert Webhook(SECRET).verify(body, headers) == json.loads(body)
    told = json.loads(body)
    assert told["type"] == "invoice.sent"
    assert (told["data"]["invoice_number"], told["data"]["total"]) == ("INV-20261101-0002", "3")
    deliver_documents.fn(ISSUED)
    assert len(hook.got) == 3


def test_a_webhook_keeps_its_id_when_it_is_tried_again(books: Books, hook: type[Hook]) -> None:
    hook.status = 503
    with pytest.raises(Unavailable, match="answered 503"):
        deliver_documents.fn(ISSUED)
    hook.status = 204
    deliver_documents.fn(ISSUED)
    ids = [headers["webhook-id"] for headers, _ in hook.got]
    assert len(ids) == 6
    assert ids[:3] == ids[3:]


def test_a_mail_server_that_does_not_let_us_in_costs_nobody_a_mail(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is our password that is wrong, no payer's address: all three wait, and go out when it is right."""

    def let_in(_server: Any, _session: Any, _envelope: Any, _how: str, shown: Any) -> AuthResult:
        return AuthResult(success=shown.password == b"right", handled=False)

    box, port = Mailbox(), free_port()
    server = Controller(
        box, hostname="127.0.0.1", port=port, authenticator=let_in, auth_require_tls=False
    )
    server.start()
    for name, value in (
        ("HOST", "127.0.0.1"),
        ("PORT", str(port)),
        ("SECURITY", "none"),
        ("USER", "us"),
    ):
        monkeypatch.setenv(f"CHARGEBACK_SMTP_{name}", value)
    try:
        set_password(monkeypatch, "wrong")
        with pytest.raises(
            Unavailable, match=r"takes no mail from us \(535\); .*CHARGEBACK_SMTP_PASSWORD"
        ):
            deliver_documents.fn(ISSUED)
        set_password(monkeypatch, "right")
        assert deliver_documents.fn(ISSUED) == {"queued": 0, "sent": 3, "refused": []}
    finally:
        server.stop()
    assert len(box.mails) == 3


def set_password(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    monkeypatch.setenv("CHARGEBACK_SMTP_PASSWORD", password)
    settings.cache_clear()
