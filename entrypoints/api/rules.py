"""Allocation rules: listed, created, changed, deleted."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from chargeback import rules
from chargeback.errors import Invalid, Refused
from chargeback.exact_json import figure
from chargeback.ledger import rulebook
from chargeback.ledger.open_batches import seal_all
from chargeback.ledger.rule_reach import reach, stamps
from chargeback.ledger.rulebook import Change
from chargeback.posted_usage import an_object
from chargeback.quoting import quoted
from entrypoints.api import rule_shapes, shapes, wire
from entrypoints.api.access import Answer, Caller, Governor, Reviewer, books, once
from entrypoints.api.answers import answer
from entrypoints.api.documented import CHANGING, FINDING, READING, WRITING, answers, takes
from entrypoints.api.requests_in import (
    MOST_ROWS,
    Body,
    Cursor,
    Limit,
    Route,
    json_body,
    read_cursor,
    write_cursor,
)
from entrypoints.api.threads import in_thread

routes = APIRouter(tags=["allocation rules"], route_class=Route)
ONE = "/allocation-rules/{rule_id:path}"


@routes.get("/allocation-rules", responses=answers(rule_shapes.RuleList, READING))
def list_rules(
    caller: Reviewer,
    team_id: Annotated[str | None, Query(description="Only rules of this team.")] = None,
    enabled_only: Annotated[bool, Query(description="Leave out disabled rules.")] = False,
    limit: Limit = None,
    cursor: Cursor = None,
) -> Response:
    """List the rules, in the order of their ids."""
    (after,) = read_cursor(cursor, 1) if cursor is not None else ("",)
    most = limit or MOST_ROWS
    with books(caller, is_snapshot=True) as connection:
        known, kept = stamps(connection), rulebook.current_rules(connection)
    found = [
        one.rule
        for one in kept
        if one.rule.rule_id > after
        and (team_id is None or one.rule.team_id == team_id)
        and (one.rule.enabled or not enabled_only)
    ]
    shown = found[:most]
    return answer(
        {
            "rules": [wire.rule(one, known[one.rule_id]) for one in shown],
            "next_cursor": write_cursor(shown[-1].rule_id) if len(found) > most else None,
        }
    )


@routes.post(
    "/allocation-rules",
    status_code=201,
    responses=answers(rule_shapes.RuleCreated, WRITING, 201),
    openapi_extra=takes(rule_shapes.RuleIn),
)
async def create_rule(request: Request, caller: Governor) -> Response:
    """Create a rule; the answer says how much unfrozen cost, in how many days, it takes."""
    body = await json_body(request)
    rule = rules.parse(an_object(body.value))

    def create(connection: Connection) -> Answer:
        change = rulebook.write(connection, rule, caller.actor)
        if change.entry is None or change.entry.action != "rule.created":
            raise Refused(
                "rule_exists",
                f"there is a rule {quoted(rule.rule_id)} already; change it with PUT, or choose another rule_id",
            )
        described = _settled(connection, change)
        return Answer(
            201,
            {"rule_id": rule.rule_id, "message": f"rule {rule.rule_id} is created", **described},
        )

    return await _written(body, caller, create)


@routes.get(ONE, responses=answers(rule_shapes.RuleAnswer, FINDING))
def get_rule(rule_id: str, caller: Reviewer) -> Response:
    """Show a rule in its current version."""
    with books(caller) as connection:
        kept = rulebook.locked(connection, rule_id)
        return answer({"rule": wire.rule(kept.rule, stamps(connection)[rule_id])})


@routes.put(
    ONE,
    responses=answers(rule_shapes.RuleChanged, CHANGING),
    openapi_extra=takes(rule_shapes.RuleChangeIn),
)
async def change_rule(request: Request, rule_id: str, caller: Governor) -> Response:
    """Change fields of a rule, which becomes its next version; what is left out stays, null clears."""
    body = await json_body(request)
    fields = an_object(body.value)
    if fields.get("rule_id", rule_id) != rule_id:
        raise Invalid(
            "rule_id_fixed",
            f"rule {quoted(rule_id)} keeps its id and cannot become {quoted(fields['rule_id'])}; "
            "leave rule_id out, or create another rule.",
        )

    def change(connection: Connection) -> Answer:
        held = rulebook.locked(connection, rule_id)
        rule = rules.parse(wire.rule_fields(held.rule) | dict(fields))
        made = rulebook.write(connection, rule, caller.actor)
        verb = "was so already" if made.entry is None else "is changed"
        return Answer(200, {"message": f"rule {rule_id} {verb}", **_settled(connection, made)})

    return await _written(body, caller, change)


@routes.delete(ONE, responses=answers(shapes.Message, FINDING))
def delete_rule(rule_id: str, caller: Governor) -> Response:
    """Delete a rule: it takes no more cost; what is invoiced keeps its version."""
    with books(caller) as connection:
        rulebook.close(connection, rule_id, caller.actor)
    return answer({"message": f"rule {rule_id} is deleted"})


async def _written(body: Body, caller: Caller, work: Any) -> Response:
    def write() -> Answer:
        seal_all()  # what was posted until now is counted among what the rule takes
        return once(body.call(caller), work)

    kept = await in_thread(write)
    return answer(kept.content, kept.status)


def _settled(connection: Connection, change: Change) -> dict[str, Any]:
    """The rule as it is kept now and what it takes; the change is told of."""
    found = reach(connection, change.kept)
    rulebook.settle(connection, [change])
    rule = change.kept.rule
    return {
        "rule": wire.rule(rule, stamps(connection)[rule.rule_id]),
        "takes": {"cost_usd": figure(found.cost), "days": found.days},
    }
