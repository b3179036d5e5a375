"""Prefect Secret blocks for commands: from the configured Prefect, or from the stack that is up."""

from chargeback.settings import settings
from entrypoints.claim import read_state
from tasks import secret_blocks


def open_block(name: str) -> str:
    """The secret in the Prefect Secret block `name`. Raises as `tasks.secret_blocks.open_block` does."""
    url = settings().prefect_api_url or read_state(settings().home).get("prefect_api_url")
    if not url:
        return secret_blocks.open_block(name)
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: url}):
        return secret_blocks.open_block(name)
