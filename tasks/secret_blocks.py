"""Opens Prefect Secret blocks for sources that name one.

Prefect is imported where a block is opened: a process that only reads a file has no use for it.
"""

from httpx import HTTPError

from chargeback.errors import Invalid, Unavailable


def open_block(name: str) -> str:
    """The secret in the Prefect Secret block `name`, fetched anew each time and kept nowhere.

    Raises Invalid where there is no such block, Unavailable where no Prefect is at hand.
    """
    from prefect.blocks.system import Secret
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        raise Unavailable(
            "secret_block_unreachable",
            f"The Prefect Secret block {name} cannot be read because no Prefect server is up; "
            "start it with `chargeback up`.",
        )
    try:
        block = Secret.load(name)
    except ValueError:
        raise Invalid(
            "secret_block_missing",
            f"Prefect has no Secret block {name}; make it in the Prefect UI under Blocks, or correct the source.",
        ) from None
    except (HTTPError, RuntimeError, OSError):
        raise Unavailable(
            "secret_block_unreachable",
            f"The Prefect Secret block {name} cannot be read because Prefect does not answer; try again later.",
        ) from None
    secret = block.get()  # type: ignore[union-attr]
    return secret if isinstance(secret, str) else ""
