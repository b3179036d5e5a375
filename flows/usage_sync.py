"""Usage from the cost trackers into the ledger."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.recording import PERIOD, Record, asked_period, recorded, show_table
from tasks.sync_usage import list_sources, sync_source


@flow(flow_run_name="usage-sync {source} {period}", persist_result=False)
def usage_sync(
    source: str = "all", period: Annotated[str, Field(pattern=PERIOD)] = ""
) -> State[Any]:
    """Read usage from the cost trackers into the ledger. Rerun: rows already held change nothing.

    Args:
        source: Name of the source to read, or `all`.
        period: Month or days to read again, like 2026-10; empty for what is new since the last sync.
    """
    with recorded("usage-sync", {"source": source, "period": period}) as record:
        names = list_sources(None if source == "all" else source)["sources"]
        label = asked_period(period).label if period else None
        rows = [sync_source(name, label) for name in names]
        _tell(record, rows)
    return record.state(
        f"{record.counts['new']} new usage records, {record.counts['changed']} changed"
    )


def _tell(record: Record, rows: list[dict[str, Any]]) -> None:
    record.counts = {
        name: sum(row[name] for row in rows)
        for name in ("received", "new", "unchanged", "changed", "quarantined")
    }
    for row in rows:
        record.say(
            f"{row['source']}: received {row['received']} rows, {row['new']} new, {row['unchanged']} already held, "
            f"{row['changed']} changed since, {row['quarantined']} refused; {row['new_cost'].normalize():f} booked"
        )
        if row["quarantined"]:
            record.need_a_person(
                f"{row['quarantined']} rows of {row['source']} were refused; see `chargeback quarantine list`"
            )
        for sentence in row["doubts"]:
            record.need_a_person(sentence)
    if not rows:
        record.need_a_person("there is no source yet; add one with `chargeback sources add`")
    plain = [{k: v for k, v in row.items() if k not in ("drift", "doubts")} for row in rows]
    show_table("usage-sync-sources", plain, "What each source sent and what became of it.")
    show_table(
        "usage-sync-drift",
        [day for row in rows for day in row["drift"]],
        "Days on which a source says another total than the ledger holds.",
    )
