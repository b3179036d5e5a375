"""Secrets by name: what a configuration names is looked up where it is used, and nowhere kept.

Owns the two places a secret can be: an environment variable, and a Prefect Secret block.
"""

import os

from chargeback.errors import Invalid
from chargeback.sources.contract import World
from chargeback.sources.source_config import WebConfig


def named_secret(world: World, env: str | None, block: str | None, setting: str) -> str | None:
    """The secret that a configuration names under `setting`_env or `setting`_block; None without a name.

    Raises Invalid, naming where it was looked for and nothing that was found there.
    """
    if env is None and block is None:
        return None
    if env is not None:
        place, secret = f"environment variable {env}", os.environ.get(env, "")
    else:
        place, secret = f"Prefect Secret block {block}", world.block(block or "")
    secret = secret.strip()
    if not secret or not (secret.isascii() and secret.isprintable()):
        raise Invalid(
            f"{setting}_missing",
            f"The {place} holds no {setting}; set it where flows run, or correct the source.",
        )
    return secret


def bearer(world: World, config: WebConfig) -> dict[str, str]:
    """The header that carries the configuration's token; none where it names none."""
    token = named_secret(world, config.token_env, config.token_block, "token")
    return {"authorization": f"Bearer {token}"} if token else {}
