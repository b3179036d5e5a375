"""Allocation rules."""

from fastapi import APIRouter, Response

from entrypoints.api.access import Governor, Reviewer

routes = APIRouter(tags=["rules"])


@routes.get("/allocation-rules")
def list_rules(caller: Reviewer) -> Response:
    """Soon."""
    raise NotImplementedError


@routes.post("/allocation-rules")
def create_rule(caller: Governor) -> Response:
    """Soon."""
    raise NotImplementedError


@routes.get("/allocation-rules/{rule_id:path}")
def get_rule(rule_id: str, caller: Reviewer) -> Response:
    """Soon."""
    raise NotImplementedError


@routes.put("/allocation-rules/{rule_id:path}")
def change_rule(rule_id: str, caller: Governor) -> Response:
    """Soon."""
    raise NotImplementedError


@routes.delete("/allocation-rules/{rule_id:path}")
def delete_rule(rule_id: str, caller: Governor) -> Response:
    """Soon."""
    raise NotImplementedError
