"""The command line `chargeback`: finds the command, and turns whatever happens into an exit status.

0 done · 1 a bug, or books that do not tie out · 2 what was given cannot be right · 3 refused · 4 no such
thing · 5 the world failed, trying again may work · 130 stopped by Ctrl-C. An error is one line on
standard error.
"""

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, CycloptsError, Group, Parameter
from pydantic import ValidationError

from chargeback.errors import ChargebackError, Invalid
from chargeback.quoting import quoted
from chargeback.settings import settings
from chargeback.storable import is_storable
from entrypoints.typed import (
    access,
    billing,
    books,
    installation,
    quarantine,
    rates,
    snapshots,
    usage,
)

BUG, INVALID, INTERRUPTED = 1, 2, 130


def _version() -> str:
    from importlib.metadata import version

    return f"chargeback {version('chargeback')}"


app = App(
    name="chargeback",
    help="Charges what AI agents, data platforms and clouds cost back to those who caused it.",
    help_format="plaintext",
    version=_version,
    version_format="plaintext",
    suppress_keyboard_interrupt=False,
)
app.group_commands = Group("Help", sort_key=8)
app.meta.suppress_keyboard_interrupt = False
app.meta.group_parameters = Group("Options", sort_key=9)
for group in (installation, usage, quarantine, snapshots, rates, billing, books, access):
    group.register(app)


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    verbose: Annotated[
        bool,
        Parameter(
            negative="", show_default=False, help="Log to standard error, and say more of errors."
        ),
    ] = False,
) -> int:
    """Run the command that the tokens name."""
    _check_settings()
    _keep_prefect_quiet()
    if verbose:
        logging.basicConfig(stream=sys.stderr, format="%(message)s")
        logging.getLogger("chargeback").setLevel(logging.INFO)
    status: int | None = app(
        tokens, exit_on_error=False, print_error=False, result_action="return_value"
    )
    return status or 0


def _keep_prefect_quiet() -> None:
    """Where Prefect is imported into this process, it reports to nobody, writes only under our home and is let in."""
    from entrypoints.prefect_server import authentication

    os.environ.update(authentication())
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("PREFECT_HOME", str(settings().home / "prefect"))


def _check_settings() -> None:
    """Raises Invalid naming the first variable that cannot be; what it holds may be secret."""
    try:
        settings()
    except ValidationError as refusal:
        fault = refusal.errors(include_url=False, include_context=False, include_input=False)[0]
        name = str(fault["loc"][0])
        # A field is named in small letters; one that is read from another variable bears that variable's name.
        variable = name if name.isupper() else f"CHARGEBACK_{name.upper()}"
        reason = fault["msg"].removeprefix("Value error, ")
        raise Invalid(
            "setting_invalid",
            f"{variable} cannot be used ({reason}); correct it in the environment or in .env",
        ) from None


def _check_text(tokens: Sequence[str]) -> None:
    """Raises Invalid for a word whose bytes are no UTF-8, as a shell in another encoding writes it."""
    for place, token in enumerate(tokens, 1):
        if not is_storable(token):
            raise Invalid(
                "argument_not_utf8",
                f"word {place} of the command, {quoted(token)}, is no UTF-8 text; write it in UTF-8",
            )


def _called(error: CycloptsError) -> str:
    """The command whose call was wrong."""
    return " ".join(["chargeback", *(error.command_chain or ())])


def main(tokens: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. Nothing it raises leaves this function."""
    given = list(sys.argv[1:] if tokens is None else tokens)
    try:
        _check_text(given)
        status: int = app.meta(
            given, exit_on_error=False, print_error=False, result_action="return_value"
        )
        sys.stdout.flush()
        return status or 0
    except ChargebackError as error:
        return _complain(error.message, error.exit_status)
    except CycloptsError as error:
        said = str(error).strip()
        said = said if said.endswith("...") else said.removesuffix(".")
        return _complain(f"{said}; `{_called(error)} --help` shows how it is called", INVALID)
    except KeyboardInterrupt:
        return _complain(
            "stopped; what was committed stays, and running it again does the rest", INTERRUPTED
        )
    except BrokenPipeError:
        # Whoever read our answer has seen enough; Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - a bug; the traceback is kept in a file
        return _complain(_bug(error), BUG)


def _complain(message: str, status: int) -> int:
    """Print an error as one line; of a log's end its last line, where the reason mostly is."""
    lines = [" ".join(line.split()) for line in message.splitlines() if line.strip()]
    shown = lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}"
    print(f"chargeback: {shown}", file=sys.stderr)
    return status


def _bug(error: Exception) -> str:
    """What is said of an error nobody foresaw: its kind, and where its traceback is."""
    folder = settings().home / "logs"
    path = folder / f"error-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return f"this is a bug in Chargeback ({type(error).__name__}); its traceback could not be kept in {folder}"
    return f"this is a bug in Chargeback ({type(error).__name__}); its traceback is in {path}"


if __name__ == "__main__":
    sys.exit(main())
