"""PDFs beside a bare reportlab document of the same tables, on one core; and all cores together."""

import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import partial
from io import BytesIO

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from chargeback.documents import drawing_process
from chargeback.documents.invoice_pdf import draw
from chargeback.documents.letterhead import Letterhead
from chargeback.periods import Period
from chargeback.views import AnnexRow, BillTo, InvoiceView, LineView
from models.enums import DocumentKind, InvoiceStatus, LineKind, Scope
from tests.benchmarks.ledger import Measured

LETTERHEAD = Letterhead(
    "Platform Engineering", ("1 Example Street", "Example Town"), "finops@example.com"
)


def measure(documents: int, processes: int) -> Iterator[Measured]:
    """Draw one by one, then the floor, then all with every core."""
    views = [_invoice(n) for n in range(documents)]
    sample = views[: max(documents // 5, 1)]
    draw(sample[0], LETTERHEAD)
    floor = _cpu_seconds(lambda view: _bare(view), sample)
    ours = _cpu_seconds(lambda view: draw(view, LETTERHEAD), sample)
    ratio = floor / ours
    yield Measured(f"{len(sample):,} PDFs on one core", ours, floor,
                   f"{ratio:.2f} of the floor's rate, {len(sample) / ours:,.0f}/s",
                   ">= 0.70", ratio >= 0.7)  # fmt: skip
    began = time.perf_counter()
    pdf = partial(draw, letterhead=LETTERHEAD)
    drawn = sum(1 for _ in drawing_process.draw_many(views, processes, pdf))
    took = time.perf_counter() - began
    alone = ours / len(sample) * documents
    yield Measured(f"{drawn:,} PDFs with {processes} processes", took, alone,
                   f"{drawn / took:,.0f}/s, {alone / took:.2f} times one core", "> 1", alone / took > 1)  # fmt: skip


def _cpu_seconds(work: object, views: list[InvoiceView]) -> float:
    began = time.process_time()
    for view in views:
        work(view)  # type: ignore[operator]
    return time.process_time() - began


def _invoice(n: int) -> InvoiceView:
    """An invoice of 10 lines with an annex of 20 rows."""
    lines = tuple(
        LineView(k + 1, LineKind.USAGE, f"Usage of resource-{k:02d}, 2026-10", f"resource-{k:02d}", "Tokens",
                 Decimal(1000 + n * 7 + k), Decimal("12.345678") + k, Decimal("12.35") + k)
        for k in range(10)
    )  # fmt: skip
    annex = tuple(
        AnnexRow(
            f"u-{k:03d}",
            f"agent-{k % 5}",
            f"resource-{k % 10:02d}",
            "Tokens",
            Decimal(500 + k),
            Decimal("6.1728") + k,
        )
        for k in range(20)
    )
    total = sum((line.amount for line in lines), Decimal(0))
    return InvoiceView(
        f"{n:032x}", DocumentKind.INVOICE, f"INV-20261101-{n:04d}", 1, InvoiceStatus.SENT, Scope.TEAM,
        f"team-{n}", None,
        BillTo(f"team-{n}", f"Team {n}", f"CC-{n}", "lead@example.com"), Period(date(2026, 10, 1), date(2026, 11, 1)),
        date(2026, 11, 1), date(2026, 12, 1), None, "USD", lines, total, total, Decimal(0), Decimal("0.21"),
        Decimal("35.31"), total + Decimal("35.31"), False, None, None, (), annex,
    )  # fmt: skip


def _bare(view: InvoiceView) -> bytes:
    """The floor: the same two tables and headings, as reportlab's own manual writes them."""
    styles, out = getSampleStyleSheet(), BytesIO()
    grid = TableStyle(
        [("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black), ("ALIGN", (1, 0), (-1, -1), "RIGHT")]
    )
    lines = [["Description", "Quantity", "Unit price", "Amount"]]
    lines += [[line.description, f"{line.quantity:,f} {line.unit}", f"{line.unit_price:.6f}", f"{line.amount:,.2f}"]
              for line in view.lines]  # fmt: skip
    annex = [["User", "Agent", "Resource type", "Quantity", "Cost"]]
    annex += [[str(row.user_id), str(row.agent_id), row.resource_type, f"{row.quantity:,f}", f"{row.cost:f}"]
              for row in view.annex]  # fmt: skip
    story = [
        Paragraph(f"Invoice {view.number}", styles["Title"]), Paragraph(view.bill_to.name, styles["Normal"]),
        Spacer(1, 12), Table(lines, style=grid, repeatRows=1), Paragraph(f"Total {view.total:,.2f}", styles["Normal"]),
        Spacer(1, 12), Table(annex, style=grid, repeatRows=1),
    ]  # fmt: skip
    SimpleDocTemplate(out, pagesize=A4, invariant=1).build(story)
    return out.getvalue()
