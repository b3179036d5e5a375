"""The API as a process of its own: `python -m entrypoints.api.server`, what the stack starts and stops.

On SIGTERM it takes no new requests, answers those it has, writes what waits, and ends.
"""

import logging
import sys

import uvicorn

from chargeback.errors import ChargebackError
from chargeback.settings import settings
from entrypoints.api.access import refuse_open_door
from entrypoints.api.app import make_app

# The stack waits 10 s for a child that was told to end.
DRAIN_SECONDS = 8


def main() -> int:
    """Serve until told to stop; the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        said = refuse_open_door(settings().api_host)
    except ChargebackError as error:
        sys.stderr.write(f"{error.message}\n")
        return error.exit_status
    sys.stdout.write(f"{said}\n")
    sys.stdout.flush()
    uvicorn.run(
        make_app(),
        host=settings().api_host,
        port=settings().api_port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
