"""Invoices and credit notes as PDF: the paper a payer gets.

Owns drawing one document and drawing many at once. Identical input gives identical bytes: there is
no clock, name of a user or machine in them.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain, islice
from queue import SimpleQueue

from chargeback.documents.drawing_process import DrawingProcess, Order, serve
from chargeback.documents.invoice_blocks import story
from chargeback.documents.invoice_words import title, watermark
from chargeback.documents.letterhead import Letterhead
from chargeback.documents.sheet import Running, bind
from chargeback.views import InvoiceView

# Starting a process costs as much as drawing some hundred documents.
WORTH_PROCESSES = 300
_CHUNK = 20
_CHUNKS_IN_MEMORY = 60
_CHUNKS_PER_PROCESS = 2


def draw(invoice: InvoiceView, letterhead: Letterhead) -> bytes:
    """The document as a PDF; the same view gives the same bytes, in every process.

    Names are printed as they are, whatever their script; what has no shape is printed by its code.
    """
    running = Running(
        title=f"{title(invoice)} {invoice.number}",
        author=letterhead.name,
        subject=invoice.bill_to.name,
        watermark=watermark(invoice),
    )
    return bind(story(invoice, letterhead), running)


def draw_all(orders: Iterable[Order]) -> list[bytes]:
    """The documents of `orders`, drawn by this process."""
    return [draw(*order) for order in orders]


def draw_many(items: Iterable[Order], processes: int) -> Iterator[bytes]:
    """The documents of `items`, in their order; a large number is drawn by `processes` at once.

    This process is one of them. A bounded number of documents waits in memory, however long `items`.
    """
    remaining = iter(items)
    first = list(islice(remaining, WORTH_PROCESSES))
    orders = chain(first, remaining)
    if processes < 2 or len(first) < WORTH_PROCESSES:
        return (draw(*order) for order in orders)
    return _drawn_by_processes(orders, processes - 1)


def _drawn_by_processes(orders: Iterator[Order], children: int) -> Iterator[bytes]:
    """Give each child a few chunks and draw the others here, so that no core waits."""
    with ExitStack() as stack:
        free: SimpleQueue[DrawingProcess] = SimpleQueue()
        for _ in range(children):
            free.put(stack.enter_context(DrawingProcess(draw_all)))
        threads = stack.enter_context(ThreadPoolExecutor(children))
        waiting: deque[Future[list[bytes]]] = deque()
        stack.callback(lambda: [chunk.cancel() for chunk in waiting])
        while chunk := list(islice(orders, _CHUNK)):
            busy = sum(not given.done() for given in waiting)
            if busy < children * _CHUNKS_PER_PROCESS:
                waiting.append(threads.submit(_by_a_child, free, chunk))
            else:
                waiting.append(_drawn_here(chunk))
            while waiting and (waiting[0].done() or len(waiting) > _CHUNKS_IN_MEMORY):
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _by_a_child(free: SimpleQueue[DrawingProcess], chunk: list[Order]) -> list[bytes]:
    child = free.get()
    try:
        return child.draw_all(chunk)
    finally:
        free.put(child)


def _drawn_here(chunk: list[Order]) -> Future[list[bytes]]:
    drawn: Future[list[bytes]] = Future()
    drawn.set_result(draw_all(chunk))
    return drawn


if __name__ == "__main__":
    serve(draw_all)
