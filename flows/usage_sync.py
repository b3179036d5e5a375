"""Usage from the cost trackers into the ledger."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.forms import offer_sources
from flows.recording import PERIOD, Record, asked_period, recorded, run_name
from flows.telling import tell
from tasks.sync_usage import list_sources, sync_source


@flow(flow_run_name=run_name("usage-sync"), persist_result=False)
def usage_sync(
    source: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = "all",
    period: Annotated[str, Field(pattern=PERIOD)] = "",
) -> State[Any]:
    """Read usage from the cost trackers into the ledger. Rerun: rows already held change nothing.

    Args:
        source: The cost tracker to read, or all of them.
        period: Month or days to read again, like 2026-10; empty for what is new since the last sync.
    """
    with recorded("usage-sync", {"source": source, "period": period}) as record:
        read_usage(record, source, asked_period(period).label if period else None)
        if source == "all":
            offer_sources(record.counts["sources"])
    return record.state(
        f"{record.counts['new']} new usage records, {record.counts['changed']} changed"
    )


def read_usage(record: Record, source: str, period: str | None) -> None:
    """Read one source or all, and tell what came in. Rerun: as the flow."""
    names = list_sources(None if source == "all" else source)["sources"]
    rows = [sync_source(name, period) for name in names]
    record.counts["sources"] = names
    record.counts |= {
        name: sum(row[name] for row in rows)
        for name in (
            "received",
            "new",
            "unchanged",
            "changed",
            "reversed",
            "quarantined",
            "waiting",
        )
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
        if row["waiting"]:
            record.need_a_person(
                f"{row['waiting']} rows of snapshots of {row['source']} wait for a decision; "
                "see `chargeback snapshots list`"
            )
        for sentence in row["doubts"]:
            record.need_a_person(sentence)
    if not rows:
        record.need_a_person("there is no source yet; add one with `chargeback sources add`")
    shown = [
        {"source": row["source"], "received": row["received"], "new": row["new"], "held already": row["unchanged"],
         "changed": row["changed"],
         "refused": row["quarantined"], "cost booked": f"{row['new_cost'].normalize():f}"}
        for row in rows
    ]  # fmt: skip
    record.show("usage-sync-sources", "What each source sent and what became of it.", shown)
    record.show(
        "usage-sync-drift",
        "Days on which a source says another total than the ledger holds.",
        [day for row in rows for day in row["drift"]],
    )
    for row in rows:
        if row["drift"]:
            tell("drift", "source", row["source"], {"days": len(row["drift"])})
