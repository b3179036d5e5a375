"""Documents are drawn by several processes as by one: the same, in their order, whatever becomes of a process."""

import operator
import sys
from functools import partial

import psutil
import pytest

from chargeback.documents.drawing_process import WORTH_PROCESSES, draw_many, worth
from chargeback.documents.invoice_pdf import draw
from tests.documents.samples import LETTERHEAD, make_invoice

PDF = partial(draw, letterhead=LETTERHEAD)


def test_many_documents_come_in_the_order_they_were_given() -> None:
    invoices = [make_invoice(number=f"INV-20261101-{at:04}") for at in range(50)]
    assert list(draw_many(invoices, 3, PDF)) == [PDF(invoice) for invoice in invoices]


def test_a_child_draws_as_it_is_told_and_this_process_beside_it() -> None:
    drawn = draw_many([1, 2], 2, partial(operator.add, 1000), partial(operator.add, 2000))
    assert sum(drawn) == 1000 + 2000 + 1 + 2


def test_a_drawing_process_that_dies_costs_no_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    invoices = [make_invoice(number=f"INV-20261101-{at:04}") for at in range(50)]
    assert list(draw_many(invoices, 2, PDF)) == [PDF(invoice) for invoice in invoices]


def test_what_a_child_cannot_draw_this_process_draws() -> None:
    there = partial(operator.floordiv, 6)
    assert set(draw_many([0] * 20, 2, partial(operator.add, 7), there)) == {7}


def test_what_nobody_can_draw_is_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        list(draw_many([0, 1], 2, partial(operator.floordiv, 6)))


def test_documents_nobody_fetches_any_more_stop_their_processes() -> None:
    before = psutil.Process().children()
    drawn = draw_many([make_invoice()] * 90, 2, PDF)
    assert next(drawn) == PDF(make_invoice())
    drawn.close()
    assert psutil.Process().children() == before


def test_no_document_to_draw_is_no_document_drawn() -> None:
    assert list(draw_many([], 2, PDF)) == []


def test_few_documents_are_drawn_by_one_process_and_many_by_as_many_as_asked() -> None:
    assert worth(WORTH_PROCESSES - 1, 8) == 1
    assert worth(WORTH_PROCESSES, 8) == 8
    assert worth(WORTH_PROCESSES) >= 1
