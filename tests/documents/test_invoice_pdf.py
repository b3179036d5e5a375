"""What is on the paper a payer gets, read back from the PDF."""

import io
import os
import re
import subprocess
import sys
import unicodedata
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from chargeback.documents.invoice_pdf import draw
from chargeback.documents.letterhead import Letterhead
from chargeback.settings import Settings
from chargeback.views import BillTo, InvoiceView
from models.enums import DocumentKind, InvoiceStatus, LineKind
from tests.documents.samples import (
    EQUAL,
    HOSTILE_NAMES,
    LETTERHEAD,
    UNICODE_NAMES,
    make_annex_row,
    make_invoice,
    make_line,
    named,
)

GOLDEN = Path(__file__).parent / "golden" / "invoice.txt"


def pages(invoice: InvoiceView) -> list[str]:
    """The text of each page."""
    reader = PdfReader(io.BytesIO(draw(invoice, LETTERHEAD)))
    return [page.extract_text() for page in reader.pages]


def said(invoice: InvoiceView) -> str:
    """All text without white space, which wrapping moves about."""
    return squeezed("".join(pages(invoice)))


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", unicodedata.normalize("NFC", text))


def two_lines_and_a_late_one() -> InvoiceView:
    """10.10 + 5.05 + 1.20 = 16.35; 20% tax 3.27; total 19.62; exactly 16.3496."""
    return make_invoice(
        make_line(1, "10.10", description="LLM tokens", exact=Decimal("10.0996")),
        make_line(2, "5.05", description="Vector search", unit="queries", quantity=Decimal("2.5")),
        make_line(3, "1.20", description="Late usage for 2026-09: LLM tokens", kind=LineKind.LATE),
        held_elsewhere=(("INV-20261005-0002", Decimal("7.125")),),
        annex=(
            make_annex_row("user-b", "agent-1", "6.25"),
            make_annex_row("user-a", None, "10.0996"),
        ),
        splits=(EQUAL,),
    )


def test_an_invoice_reads_as_it_was_approved() -> None:
    assert "\n---\n".join(pages(two_lines_and_a_late_one())) + "\n" == GOLDEN.read_text("utf-8")


def test_a_statement_asks_nobody_to_pay_and_says_where_it_is_booked() -> None:
    internal = replace(LETTERHEAD, is_statement=True, payment=("Example Bank",))
    invoice = make_invoice(status=InvoiceStatus.OVERDUE)
    text = "".join(
        page.extract_text() for page in PdfReader(io.BytesIO(draw(invoice, internal))).pages
    )
    assert "Statement" in text
    assert "Booked to this cost centre: nothing is to be paid" in text
    for unsaid in ("Invoice", "Due", "OVERDUE", "Reference", "Example Bank", "Billed to"):
        assert unsaid not in text


def test_what_is_to_be_paid_says_where_and_by_which_reference() -> None:
    known = replace(LETTERHEAD, payment=("Example Bank", "IBAN XX00 0000"))

    def told(invoice: InvoiceView) -> str:
        pages = PdfReader(io.BytesIO(draw(invoice, known))).pages
        return squeezed("".join(page.extract_text() for page in pages))

    asked = squeezed(
        "Please pay to Example Bank, IBAN XX00 0000, and give the reference INV-20261101-0001."
    )
    assert asked in told(make_invoice())
    for status in (InvoiceStatus.DRAFT, InvoiceStatus.PAID, InvoiceStatus.CANCELLED):
        assert "ExampleBank" not in told(make_invoice(status=status))
    assert "ExampleBank" not in told(make_invoice(kind=DocumentKind.CREDIT_NOTE))


def test_a_share_of_shared_cost_is_told_from_usage_without_an_agent() -> None:
    row = make_annex_row(None, None, "3")
    assert "noagent" in said(make_invoice(annex=(row,)))
    assert "nousershared" in said(make_invoice(annex=(replace(row, is_shared=True),)))


def test_the_same_invoice_gives_the_same_bytes() -> None:
    invoice = two_lines_and_a_late_one()
    assert draw(invoice, LETTERHEAD) == draw(replace(invoice), LETTERHEAD)


def test_the_order_in_which_rows_arrive_changes_no_byte() -> None:
    invoice = two_lines_and_a_late_one()
    turned = replace(invoice, lines=invoice.lines[::-1], annex=invoice.annex[::-1])
    assert draw(turned, LETTERHEAD) == draw(invoice, LETTERHEAD)


def test_what_was_drawn_before_changes_no_byte() -> None:
    first = draw(named("検索 team"), LETTERHEAD)
    for name in UNICODE_NAMES:
        draw(named(name), LETTERHEAD)
    assert draw(named("検索 team"), LETTERHEAD) == first


def test_another_process_with_another_environment_draws_the_same_bytes(tmp_path: Path) -> None:
    program = (
        "import sys; from tests.documents.samples import *; "
        "from chargeback.documents.invoice_pdf import draw; "
        "sys.stdout.buffer.write(draw(named('R&D 検索'), LETTERHEAD))"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONHASHSEED": "77",
        "TZ": "Asia/Tokyo",
        "RL_useA85": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    drawn = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True
    )
    assert drawn.stdout == draw(named("R&D 検索"), LETTERHEAD)


def test_no_script_action_link_path_or_name_of_a_user_is_in_the_file() -> None:
    for name in HOSTILE_NAMES:
        drawn = draw(named(name), LETTERHEAD)
        for forbidden in (b"/JavaScript", b"/OpenAction", b"/URI", b"/Annots", b"/Launch"):
            assert forbidden not in drawn
        assert str(Path.home()).encode() not in drawn


def test_title_and_author_come_from_the_document() -> None:
    about = PdfReader(io.BytesIO(draw(make_invoice(), LETTERHEAD))).metadata
    assert about is not None
    assert (about.title, about.author) == ("Invoice INV-20261101-0001", "Acme Platform")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_markup_and_formulas_print_exactly_as_they_are(name: str) -> None:
    # Payer, contact, cost centre, description; unit twice; user, agent and resource of the annex.
    assert said(named(name)).count(squeezed(name)) >= 8


@pytest.mark.parametrize("name", UNICODE_NAMES)
def test_names_of_every_script_print(name: str) -> None:
    assert squeezed(name) in said(named(name))


@pytest.mark.parametrize("name", ["שירות חיפוש", "خدمة البحث"])
def test_right_to_left_names_print_every_letter(name: str) -> None:
    text = said(named(name))
    assert all(letter in text for letter in squeezed(name))


def test_what_has_no_shape_is_printed_by_its_code() -> None:
    text = said(named("a\u202egpj.exe\0\ue000\U000e0fff"))
    assert "a[U+202E]gpj.exe[U+0000][U+E000][U+E0FFF]" in text


def test_a_long_name_wraps_and_loses_nothing() -> None:
    name = "x" * 300 + " " + "many words " * 40 + "end"
    assert squeezed(name) in said(make_invoice(bill_to=BillTo("t", name, None, None)))
    assert squeezed(name) in said(make_invoice(make_line(description=name)))


def test_a_description_longer_than_a_page_goes_on_over_pages() -> None:
    invoice = make_invoice(make_line(description="word " * 3000))
    assert len(pages(invoice)) > 3
    assert said(invoice).count("word") == 3000


def test_every_page_has_its_number_and_the_header_of_the_table() -> None:
    texts = pages(make_invoice(*(make_line(at, "1.00") for at in range(1, 81))))
    assert len(texts) == 3
    for number, text in enumerate(texts, 1):
        assert f"Page {number} of 3" in text
        assert "Description Quantity Unit price (USD) Amount (USD)" in text


def test_the_printed_lines_add_up_to_the_printed_subtotal() -> None:
    invoice = make_invoice(*(make_line(at, f"{at}.0{at % 10}") for at in range(1, 81)))
    text = "\n".join(pages(invoice))
    amounts = re.findall(r"^LLM tokens .* ([\d,.]+)$", text, re.MULTILINE)
    assert len(amounts) == 80
    # 1 + … + 80 = 3240 dollars, and eight times 0 + … + 9 cents.
    assert sum(Decimal(amount) for amount in amounts) == Decimal("3243.60") == invoice.subtotal
    assert "Subtotal\n3,243.60" in text or "Subtotal 3,243.60" in text


def test_the_annex_adds_up_to_the_last_digit() -> None:
    costs = ("0.000000000000000001", "0.123456789012345678", "12.5")
    rows = tuple(make_annex_row("user-a", f"agent-{at}", cost) for at, cost in enumerate(costs))
    text = "\n".join(pages(make_invoice(annex=rows)))
    printed = re.findall(r"^user-a .* (\d+\.\d{18})$", text, re.MULTILINE)
    assert [Decimal(cost) for cost in printed] == [Decimal(cost) for cost in costs]
    assert "Total 12.623456789012345679" in text


def test_late_usage_stands_last_under_its_own_heading() -> None:
    text = pages(two_lines_and_a_late_one())[0]
    assert text.index("Vector search") < text.index("Late usage of earlier periods")
    assert text.index("Late usage of earlier periods") < text.index("Late usage for 2026-09")


def test_a_draft_says_so_with_its_revision_and_provisional_dates() -> None:
    text = pages(make_invoice(status=InvoiceStatus.DRAFT, revision=3))[0]
    assert text.count("DRAFT") == 2  # The label and the watermark.
    assert "Revision 3" in text
    assert "Due date 1 December 2026 (provisional)" in text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"status": InvoiceStatus.CANCELLED}, "CANCELLED"),
        ({"status": InvoiceStatus.DRAFT, "is_stale": True}, "STALE"),
    ],
)
def test_what_nobody_should_pay_says_so_across_the_page(
    given: dict[str, Any], expected: str
) -> None:
    assert pages(make_invoice(**given))[0].count(expected) == 2


def test_a_sent_invoice_has_no_label_and_no_revision() -> None:
    text = pages(make_invoice(revision=3))[0]
    assert not any(word in text for word in ("DRAFT", "STALE", "CANCELLED", "Revision"))
    assert "Due by 1 December 2026" in text


def test_a_credit_note_names_the_invoice_it_takes_back() -> None:
    note = make_invoice(
        make_line(amount="-12.35"),
        kind=DocumentKind.CREDIT_NOTE,
        number="CN-20261105-0001",
        status=InvoiceStatus.PAID,
        credits_number="INV-20261101-0001",
    )
    text = pages(note)[0]
    assert "Credit note\nCN-20261105-0001" in text
    assert "This credit note takes back invoice INV-20261101-0001." in text
    assert "-14.82 USD" in text  # -12.35 and 20% of it, -2.47.
    assert "Due date" not in text


def test_a_negative_invoice_keeps_its_number_and_prints_as_a_credit() -> None:
    text = pages(make_invoice(make_line(amount="-5.00"), status=InvoiceStatus.PAID))[0]
    assert "Credit\nINV-20261101-0001" in text
    assert "nothing is due" in text


def test_yen_have_no_decimals_and_dinars_three() -> None:
    yen = make_invoice(make_line(amount="1235"), currency="JPY", tax_rate="0")
    dinar = make_invoice(make_line(amount="1.235"), currency="BHD", tax_rate="0")
    assert "1,235 JPY" in pages(yen)[0]
    assert "1.235 BHD" in pages(dinar)[0]


def test_an_invoice_without_usage_says_so() -> None:
    assert "No usage in this period" in pages(replace(make_invoice(), lines=()))[0]


def test_the_letterhead_is_read_from_the_settings() -> None:
    read = Letterhead.from_settings(
        Settings(letterhead_name="Acme", letterhead_address="Herengracht 100 | Amsterdam|")
    )
    assert read == Letterhead("Acme", ("Herengracht 100", "Amsterdam"), "")
