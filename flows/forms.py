"""The forms that people fill, beyond what the flows' signatures say: nothing unknown is taken, sources are a choice."""

import logging
from collections.abc import Sequence
from typing import Any

from httpx import HTTPError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.exceptions import PrefectException

log = logging.getLogger("chargeback.flows")

SYNC = "usage-sync/chargeback"


def close_form(client: SyncPrefectClient, deployment: str, sources: Sequence[str]) -> bool:
    """Refuse unknown names at a deployment's form and API, and offer `sources`; whether that changed it."""
    found = client.read_deployment_by_name(deployment)
    schema = closed(found.parameter_openapi_schema or {}, sources)
    if schema == found.parameter_openapi_schema:
        return False
    update = DeploymentUpdate(parameter_openapi_schema=schema, enforce_parameter_schema=True)
    client.update_deployment(found.id, update)
    return True


def closed(schema: dict[str, Any], sources: Sequence[str]) -> dict[str, Any]:
    """The schema of a form that takes what it names and nothing else; a parameter `source` is one of `sources`."""
    properties = {name: _with_dates(one) for name, one in schema.get("properties", {}).items()}
    if "source" in properties and sources:
        properties["source"] = {**properties["source"], "enum": ["all", *sources]}
    return {**schema, "properties": properties, "additionalProperties": False}


# `format: date` is a date picker and no check.
DATE = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"


def _with_dates(parameter: dict[str, Any]) -> dict[str, Any]:
    """The parameter with its dates checked, also where it may be nothing."""
    if parameter.get("format") == "date":
        return {**parameter, "pattern": DATE}
    if "anyOf" in parameter:
        return {**parameter, "anyOf": [_with_dates(one) for one in parameter["anyOf"]]}
    return parameter


def offer_sources(sources: Sequence[str]) -> None:
    """Offer these sources in the form of usage-sync; where Prefect cannot say, the form stays as it is."""
    try:
        with get_client(sync_client=True) as client:
            close_form(client, SYNC, sources)
    except (HTTPError, PrefectException, ValueError) as error:
        log.info("form.unchanged deployment=%s reason=%s", SYNC, error)
