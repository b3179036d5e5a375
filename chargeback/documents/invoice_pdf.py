"""Invoices and credit notes as PDF: the paper a payer gets.

Owns drawing one document and drawing many at once. Identical input gives identical bytes: there is
no clock, name of a user or machine in them.
"""

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice

from chargeback.documents.invoice_blocks import story
from chargeback.documents.invoice_words import title, watermark
from chargeback.documents.letterhead import Letterhead
from chargeback.documents.sheet import Running, bind
from chargeback.views import InvoiceView

Order = tuple[InvoiceView, Letterhead]

# Starting a process costs as much as drawing some hundred documents.
WORTH_PROCESSES = 200
_CHUNK = 20
_CHUNKS_AHEAD = 4


def draw(invoice: InvoiceView, letterhead: Letterhead) -> bytes:
    """The document as a PDF; the same view gives the same bytes, in every process and release run.

    Names are printed as they are, whatever their script; what has no shape is printed by its code.
    """
    running = Running(
        title=f"{title(invoice)} {invoice.number}",
        author=letterhead.name,
        subject=invoice.bill_to.name,
        watermark=watermark(invoice),
    )
    return bind(story(invoice, letterhead), running)


def draw_many(items: Iterable[Order], processes: int) -> Iterator[bytes]:
    """The documents of `items`, in their order; a large number is drawn by `processes` at once.

    No more than a few chunks per process are in memory, however long `items` is.
    """
    remaining = iter(items)
    first = list(islice(remaining, WORTH_PROCESSES))
    if processes < 2 or len(first) < WORTH_PROCESSES:
        return (draw(*order) for order in chain(first, remaining))
    return _drawn_by_processes(chain(first, remaining), processes)


def _drawn_by_processes(orders: Iterator[Order], processes: int) -> Iterator[bytes]:
    # Spawned, not forked: a fork of a process with threads (Prefect's has some) can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        waiting: deque[Future[list[bytes]]] = deque()
        while chunk := list(islice(orders, _CHUNK)):
            waiting.append(pool.submit(_draw_chunk, chunk))
            if len(waiting) >= processes * _CHUNKS_AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _draw_chunk(orders: list[Order]) -> list[bytes]:
    return [draw(*order) for order in orders]
