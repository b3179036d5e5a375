"""The published files for a browser: reports, documents and what finance takes, under the API's access rules.

A browser shows a token as the password of HTTP Basic; only these routes take it so, and they only read: what a
browser sends along by itself can change nothing. What a caller may not see is answered like what is not there.
"""

import hashlib
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from chargeback.documents import pages, site_names
from chargeback.documents.file_store import FileStore
from chargeback.documents.pages import Shelved
from chargeback.errors import NotFound, Unavailable
from chargeback.ledger import publications
from chargeback.ledger.publications import Publication
from chargeback.periods import Period
from chargeback.quoting import quoted
from chargeback.settings import settings
from entrypoints.api.access import SITE, Caller, Needs, Policy, books
from entrypoints.api.requests_in import Route

routes = APIRouter(include_in_schema=False, route_class=Route)
_BROWSER = Depends(Needs(Policy.READ, takes_basic=True))
BrowserReader = Annotated[Caller, _BROWSER]

_MEDIA: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_DOWNLOADS: Final = frozenset({"csv", "xlsx"})
# Nobody else's page may load these, not even as a picture or a script.
_OWN: Final = {"Cross-Origin-Resource-Policy": "same-origin"}
# Shared files have their content in their names.
_KEPT: Final = {"Cache-Control": "private, max-age=31536000, immutable"}


@routes.get(SITE, dependencies=[_BROWSER])
def site() -> Response:
    """Lead to the list of periods."""
    return RedirectResponse(f"{SITE}/{site_names.SHELF}", headers=_OWN)


@routes.get(f"{SITE}/{{uri:path}}")
def published(uri: str, request: Request, caller: BrowserReader) -> Response:
    """A published file; the list of periods is made for who asks."""
    with books(caller, is_snapshot=True) as connection:
        if uri == site_names.SHELF:
            page = pages.shelf(_shelved(connection, caller))
            return Response(page, media_type=_MEDIA["html"], headers=_OWN)
        found = publications.find(connection, uri) if _is_storable(uri) else None
        instead = None if found else _own_page_beside(connection, caller, uri)
    if instead is not None:
        return RedirectResponse(f"{SITE}/{instead.uri}", headers=_OWN)
    if found is None and "text/html" in request.headers.get("accept", ""):
        page = pages.missing(f"{SITE}/{site_names.SITE}/")
        return Response(page, 404, media_type=_MEDIA["html"], headers=_OWN)
    if found is None:
        raise NotFound(
            "file_not_found", f"there is no published file {quoted(uri)}; see {SITE} for what there is"
        )  # fmt: skip
    return _sent(found)


def _is_storable(uri: str) -> bool:
    return uri.isascii() and "\0" not in uri


def _sent(found: Publication) -> Response:
    """The file's bytes. Raises Unavailable where they are not what was published."""
    data = FileStore(settings().files).read(found.uri)
    if hashlib.sha256(data).hexdigest() != found.sha256:
        raise Unavailable(
            "file_damaged", f"{found.uri} is not what was published; publish its period again to restore it"
        )  # fmt: skip
    suffix = found.uri.rpartition(".")[2]
    headers = dict(_OWN)
    if found.kind == "asset":
        headers |= _KEPT
    if suffix in _DOWNLOADS:
        name = found.uri.rpartition("/")[2]
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return Response(data, media_type=_MEDIA.get(suffix, "application/octet-stream"), headers=headers)  # fmt: skip


def _shelved(connection: Connection, caller: Caller) -> list[Shelved]:
    """The periods held, newest first: their overviews, or for a viewer its team's own pages."""
    if caller.is_viewer:
        whose = f"team {caller.team_id} "
        newest = {
            about.removeprefix(whose): one
            for about, one in publications.newest(connection, "report").items()
            if about.startswith(whose)
        }
    else:
        newest = publications.newest(connection, "overview")
    shelved = [
        Shelved(Period.parse(label), one.uri.removeprefix(f"{site_names.SITE}/"),
                caller.team_id or "")
        for label, one in newest.items()
    ]  # fmt: skip
    return sorted(shelved, key=lambda one: (one.period.start, one.period.end), reverse=True)


def _own_page_beside(connection: Connection, caller: Caller, uri: str) -> Publication | None:
    """A viewer that follows a page's way up to the overview is led to its own team's page of that edition."""
    folder, _, name = uri.rpartition("/")
    if not caller.is_viewer or name != site_names.OVERVIEW or not _is_storable(uri):
        return None
    page = site_names.payer_page("team", caller.team_id or "")
    return publications.find(connection, f"{folder}/{page}")
