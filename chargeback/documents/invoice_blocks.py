"""The parts of an invoice in the order they are read: masthead, lines, totals, notes, annex.

Owns the layout of each part. The words are `invoice_words`, the page is `sheet`.
"""

from collections.abc import Iterator, Sequence

from reportlab.platypus import CondPageBreak, Flowable

from chargeback.documents import invoice_words as words
from chargeback.documents.grid import Column, Grid, Look, Row, rows
from chargeback.documents.ink import ACCENT, AMBER, BLACK, GREY, RED
from chargeback.documents.letterhead import Letterhead
from chargeback.documents.sheet import WIDE, Mark, Panel, Rule
from chargeback.documents.split_words import part_of, split_words, together
from chargeback.documents.typefaces import EM
from chargeback.documents.typesetting import width, wrap
from chargeback.documents.wording import decimals, exact, money, quantity, unit_price
from chargeback.money import exact_sum
from chargeback.views import AnnexRow, InvoiceView, LineView
from models.enums import LineCause, LineKind

_LINE = 12.0
_HALF = 250.0
_FACTS = 272.0
_NUMBER_ROOM = (62.0, 150.0)


def story(invoice: InvoiceView, letterhead: Letterhead) -> Iterator[Flowable]:
    """The whole document as platypus flowables."""
    yield _masthead(invoice, letterhead)
    yield _parties(invoice, letterhead.is_statement)
    yield _lines(invoice)
    yield _totals(invoice, letterhead)
    yield from _splits(invoice)
    yield from _held_elsewhere(invoice)
    yield from _annex(invoice)


def _wrapped(text: str, size: float, room: float, bold: bool = False) -> tuple[str, ...]:
    return wrap(text, bold, int(room * EM / size))


def _column(
    x: float, y: float, texts: list[str], room: float, size: float = 8.5
) -> tuple[list[Mark], float]:
    """Texts one under the other from `y`, and where the next would stand."""
    marks = []
    for text in texts:
        for line in _wrapped(text, size, room):
            marks.append(Mark(x, y, line, size, GREY))
            y += _LINE
    return marks, y


def _masthead(invoice: InvoiceView, letterhead: Letterhead) -> Panel:
    """The sender on the left, what the document is on the right."""
    marks, y = [], 14.0
    for line in _wrapped(letterhead.name, 13, _HALF, bold=True):
        marks.append(Mark(0, y, line, 13, ACCENT, bold=True))
        y += 16
    sender, y = _column(0, y - 1, [*letterhead.address, letterhead.contact], _HALF)
    marks += sender
    marks.append(
        Mark(WIDE, 18, words.title(invoice, letterhead.is_statement), 24, BLACK, from_right=True)
    )
    down = 36.0
    for line in _wrapped(invoice.number, 9.5, WIDE - _FACTS):
        marks.append(Mark(WIDE, down, line, 9.5, GREY, from_right=True))
        down += 13
    if label := words.labels(invoice, letterhead.is_statement):
        tint = RED if words.watermark(invoice) or "OVERDUE" in label else ACCENT
        marks.append(Mark(WIDE, down + 3, label, 10, tint, True, True))
        down += 16
    return Panel(max(y, down) + 22, marks)


def _parties(invoice: InvoiceView, is_statement: bool) -> Panel:
    """The payer on the left, number and dates on the right, and between them what is due."""
    marks, y = [Mark(0, 8, "Charged to" if is_statement else "Billed to", 7.5, GREY)], 24.0
    for line in _wrapped(invoice.bill_to.name, 11, _HALF - 14, bold=True):
        marks.append(Mark(0, y, line, 11, BLACK, True))
        y += 14
    below, y = _column(0, y, words.payer(invoice), _HALF - 14)
    marks += below
    down = 8.0
    for label, value in words.facts(invoice, is_statement):
        marks.append(Mark(_FACTS, down, label, 8.5, GREY))
        for line in _wrapped(value, 8.5, WIDE - _FACTS - 74):
            marks.append(Mark(_FACTS + 74, down, line))
            down += _LINE
        down += 2
    bottom = max(y, down) + 10
    total = f"{money(invoice.total, invoice.currency)} {invoice.currency}"
    marks.append(Mark(0, bottom + 17, words.due(invoice, is_statement), 9.5, GREY))
    marks.append(Mark(WIDE, bottom + 18, total, 15, ACCENT, True, True))
    frame = [Rule(0, bottom, WIDE, ACCENT, 0.9), Rule(0, bottom + 28, WIDE)]
    return Panel(bottom + 50, marks, frame)


def _number_column(title: str, texts: list[str]) -> Column:
    """A column as wide as its widest number, within reason."""
    least, most = _NUMBER_ROOM
    widest = max(map(width, [title, *texts]))
    return Column(title, min(most, max(least, widest * 8.5 / EM + 14)), is_number=True)


def _lines(invoice: InvoiceView) -> Grid:
    """The lines with the usage of the period first, what came late set apart under its own head."""
    ordered = sorted(invoice.lines, key=lambda line: (line.kind is LineKind.LATE, line.position))
    texts = [_line_texts(line, invoice.currency) for line in ordered]
    numbers = [
        _number_column(title, [row[place] for row in texts])
        for place, title in enumerate(
            ("Quantity", f"Unit price ({invoice.currency})", f"Amount ({invoice.currency})"), 1
        )
    ]
    rest = WIDE - sum(column.room for column in numbers)
    columns = [Column("Description", rest), *numbers]
    content: list[Row] = []
    for line, row in zip(ordered, texts, strict=True):
        look = Look.LATE if line.kind is LineKind.LATE else Look.PLAIN
        if look is Look.LATE and (not content or content[-1].look is not Look.LATE):
            content += rows(columns, [_late_heading(ordered), "", "", ""], Look.HEADING)
        content += rows(columns, row, look)
    return Grid(columns, content or rows(columns, ["No usage in this period", "", "", ""]))


def _late_heading(lines: Sequence[LineView]) -> str:
    late = [line for line in lines if line.kind is LineKind.LATE]
    if all(line.cause is LineCause.USAGE for line in late):
        return "Late usage of earlier periods"
    return "Late usage and corrections of earlier periods"


def _line_texts(line: LineView, currency: str) -> list[str]:
    """What stands in each column; a difference of two amounts has no price per unit."""
    price = unit_price(line.unit_price, currency) if line.cause is LineCause.USAGE else ""
    return [
        line.description,
        quantity(line.quantity, line.unit),
        price,
        money(line.amount, currency),
    ]


def _totals(invoice: InvoiceView, letterhead: Letterhead) -> Panel:
    """Subtotal, tax and total under the amounts, and the small print on their left."""
    left = WIDE - 210
    currency = invoice.currency
    marks = [
        Mark(left, 22, "Subtotal", tint=GREY),
        Mark(WIDE, 22, money(invoice.subtotal, currency), from_right=True),
        Mark(left, 38, words.tax_label(invoice), tint=GREY),
        Mark(WIDE, 38, money(invoice.tax, currency), from_right=True),
        Mark(left, 61, f"Total {currency}", 11, BLACK, True),
        Mark(WIDE, 61, money(invoice.total, currency), 11, BLACK, True, True),
    ]
    notes, y = [], 22.0
    details = () if letterhead.is_statement else letterhead.payment
    tints = {"Stale": AMBER, "Please": BLACK}
    for sentence in [*words.payment(invoice, details), *words.small_print(invoice)]:
        for line in _wrapped(sentence, 7.5, left - 34):
            notes.append(
                Mark(0, y, line, 7.5, tints.get(sentence[: sentence.index(" ")].rstrip(":"), GREY))
            )
            y += 10
        y += 3
    return Panel(max(74, y) + 8, [*marks, *notes], [Rule(left, 46, WIDE - left, ACCENT, 0.9)])


def _heading(text: str, explanation: str) -> list[Flowable]:
    explained = _wrapped(explanation, 7.5, WIDE)
    marks = [Mark(0, 12, text, 11, BLACK, True)]
    marks += [Mark(0, 25 + 10 * at, line, 7.5, GREY) for at, line in enumerate(explained)]
    return [CondPageBreak(110), Panel(25 + 10 * len(explained), marks, space_before=18)]


def _splits(invoice: InvoiceView) -> list[Flowable]:
    """How each shared cost was divided, a sentence each, with the payer's part of it."""
    if not invoice.splits:
        return []
    part = _number_column(f"Your part ({invoice.currency})", [])
    columns = [Column("Shared cost, and how it was split", WIDE - part.room), part]
    content: list[Row] = []
    for split in together(invoice.splits):
        words_and_part = [split_words(split, invoice.currency), part_of(split, invoice.currency)]
        content += rows(columns, words_and_part)
    explanation = "What of the lines above is a part of cost that is shared with others."
    return [*_heading("How shared cost was split", explanation), Grid(columns, content)]


def _held_elsewhere(invoice: InvoiceView) -> list[Flowable]:
    """What the period cost besides, and where it is billed already."""
    if not invoice.held_elsewhere:
        return []
    texts = [exact(amount) for _, amount in invoice.held_elsewhere]
    amounts = _number_column(f"Amount ({invoice.currency})", texts)
    columns = [Column("Document", WIDE - amounts.room), amounts]
    content: list[Row] = []
    for number, amount in sorted(invoice.held_elsewhere):
        content += rows(columns, [number, exact(amount)])
    explanation = "Cost of this period that these documents bill; it is not part of this total."
    return [*_heading("Already on another document", explanation), Grid(columns, content)]


def _annex(invoice: InvoiceView) -> list[Flowable]:
    """Who and what caused the cost, to the last digit."""
    if not invoice.annex:
        return []
    ordered = sorted(invoice.annex, key=_annex_key)
    places = max(decimals(row.cost) for row in ordered)
    texts = [_annex_texts(row, places) for row in ordered]
    total = exact(exact_sum(row.cost for row in ordered), places)
    cost = _number_column(f"Cost ({invoice.currency})", [total, *(row[4] for row in texts)])
    amounts = _number_column("Quantity", [row[3] for row in texts])
    rest = WIDE - cost.room - amounts.room
    names = [Column(title, rest / 3) for title in ("User", "Agent", "Resource")]
    columns = [*names, amounts, cost]
    content: list[Row] = []
    for row in texts:
        content += rows(columns, row)
    content += rows(columns, ["Total", "", "", "", total], Look.SUM)
    explanation = "Costs unrounded, before tax; quantities to two decimals."
    return [*_heading("Annex: cost by user and agent", explanation), Grid(columns, content)]


def _annex_key(row: AnnexRow) -> tuple[str, str, str, str, bool]:
    return row.user_id or "", row.agent_id or "", row.resource_type, row.unit, row.is_shared


def _annex_texts(row: AnnexRow, places: int) -> list[str]:
    return [
        row.user_id or "no user",
        row.agent_id or ("shared" if row.is_shared else "no agent"),
        row.resource_type,
        quantity(row.quantity, row.unit),
        exact(row.cost, places),
    ]
