"""Reports of teams and users."""

from fastapi import APIRouter, Response

from entrypoints.api.access import Reader

routes = APIRouter(tags=["reports"])


@routes.get("/reports/team/{team_id:path}")
def team_report(team_id: str, caller: Reader) -> Response:
    """Soon."""
    raise NotImplementedError


@routes.get("/reports/user/{user_id:path}")
def user_report(user_id: str, caller: Reader) -> Response:
    """Soon."""
    raise NotImplementedError
