"""What a period would come to under other rules."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.recording import PERIOD, asked_period, recorded, run_name
from tasks.try_rules import try_rules


@flow(flow_run_name=run_name("what-if"), persist_result=False)
def what_if(draft: str = "", period: Annotated[str, Field(pattern=PERIOD)] = "") -> State[Any]:
    """Show who would bear what of a period under draft rules, billed cost included. Rerun: nothing is ever booked.

    Args:
        draft: The draft in the form of a payers file, as YAML or JSON, like {"rules": [...]}; what it does not name
            stays. Empty replays the rules in force.
        period: Month or days to try it on, like 2026-10; empty for the month before.
    """
    # The draft itself is no name of a run.
    with recorded("what-if", {"period": period}) as record:
        label = asked_period(period).label
        found = try_rules(label, draft, record.actor)
        record.counts = {"moved": found["moved"], "payers": len(found["teams"])}
        if found["moved"] == "0":
            record.say(f"nothing of {label} would move: every payer bears what it bears now")
        else:
            record.say(
                f"{found['moved']} {found['currency']} of {label} would move; all differences together are 0"
            )
        record.show("what-if-payers", f"Who would bear what of {label}.", found["teams"])
        record.show("what-if-rules", "What the rules of the draft would take.", found["taken"])
        record.say("nothing was booked")
    return record.state(f"{found['moved']} {found['currency']} would move")
