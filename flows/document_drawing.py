"""A part of a period's documents, drawn."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.recording import PERIOD, asked_period, recorded, run_name
from tasks.publish_documents import publish_invoices


@flow(flow_run_name=run_name("document-drawing"), persist_result=False)
def document_drawing(
    period: Annotated[str, Field(pattern=PERIOD)] = "", first: str = "", last: str = ""
) -> State[Any]:
    """Publish the PDFs of some documents of a period, or of all. Rerun: the same files, nothing new.

    invoice-run and monthly-billing cut a long list into such runs, which every worker takes.

    Args:
        period: Month or days whose documents are drawn, like 2026-10; empty for the previous month.
        first: Number of the first document, like INV-20261101-0001; empty for all.
        last: Number of the last one; empty for the first alone.
    """
    asked = asked_period(period)
    parameters = {"period": asked.label, "first": first, "last": last}
    with recorded("document-drawing", parameters) as record:
        record.counts = publish_invoices(asked.label, first or None, last or None)
        record.say(
            f"{record.counts['published']} documents drawn as PDF, {record.counts['new']} of them new"
        )
    return record.state(f"{record.counts['published']} documents drawn")
