"""The whole proof, beyond the month."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.recording import recorded, run_name
from tasks.verify_books import verify_books


@flow(flow_run_name=run_name("books-verification"), persist_result=False)
def books_verification() -> State[Any]:
    """Prove that all books tie out, back to the first record. Rerun: only reads."""
    with recorded("books-verification", {}) as record:
        record.counts = verify_books(None)
        record.say("all the books tie out, to the last digit")
    return record.state("all the books tie out")
