"""The README's list of endpoints, made from the OpenAPI document: `python -m entrypoints.api.readme` prints it."""

import sys

from entrypoints.api.app import make_app
from entrypoints.api.document import openapi
from entrypoints.api.page import operations

BASE = "http://localhost:5000"


def section() -> str:
    """Every endpoint with a command that asks it, in the order of the document."""
    parts = [f"# {one.summary}\n{one.command}" for one in operations(openapi(make_app()), BASE)]
    return "```sh\n" + "\n".join(parts) + "\n```\n"


if __name__ == "__main__":
    sys.stdout.write(section())
