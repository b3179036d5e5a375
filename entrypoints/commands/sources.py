"""What the commands about cost trackers do: add, list, try, and take what is pushed."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import yaml

from chargeback.clock import now
from chargeback.errors import Invalid
from chargeback.ledger import ledger_settings, usage_sources
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.sync import take
from chargeback.settings import settings
from chargeback.sources import currency_of, open_source, source_class
from chargeback.sources.contract import Refusal
from chargeback.sources.delivery import as_text, steady_file
from chargeback.sources.push import Batch, Push
from chargeback.sources.trial import tried
from entrypoints import showing
from entrypoints.commands import asked
from entrypoints.commands.usage import show_counts
from entrypoints.ledger_at_hand import ledger_at_hand
from entrypoints.secrets_at_hand import open_block
from models.enums import SourceRole

_PIECE_BYTES = 2**20


@dataclass(frozen=True)
class Given:
    """How a source's settings were given: as options, in a file, one by one; the later wins."""

    options: Mapping[str, str | None]
    file: Path | None
    settings: Sequence[str]

    def config(self) -> dict[str, Any]:
        """All of them as one configuration."""
        config = _in_file(self.file) if self.file else {}
        config |= {key: value for key, value in self.options.items() if value is not None}
        return config | dict(map(_setting, self.settings))


def _in_file(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as fault:
        raise Invalid("source_config_unreadable", f"{file} cannot be read ({fault})") from None
    except yaml.YAMLError:
        raise Invalid(
            "source_config_invalid", f"{file} is no YAML; write one setting per line"
        ) from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise Invalid(
            "source_config_invalid", f"{file} holds no settings; write lines like `form: csv`"
        )
    # YAML makes dates of dates; the configuration is kept as JSON.
    return {
        key: value if isinstance(value, bool | int | list | dict) else str(value)
        for key, value in found.items()
    }


def _setting(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals or not name:
        raise Invalid(
            "source_config_invalid", "a setting is written NAME=VALUE, like --set since=2026-10-01"
        )
    return name, value


def add(name: str, kind: str, role: str | None, given: Given, as_json: bool) -> int:
    """Keep the source's configuration; a relative path that exists here is kept from the project's root."""
    usual = source_class(kind).roles[0]
    config = given.config()
    if isinstance(config.get("path"), str):
        config["path"] = _kept_path(config["path"])
    wanted = SourceRole(role or usual)
    with ledger_at_hand(), transaction() as connection:
        ledger_settings.check(connection)
        has_changed = usage_sources.put(connection, name, kind, wanted, config, asked.actor())
    if as_json:
        showing.print_json(
            {"name": name, "kind": kind, "role": wanted, "config": config, "changed": has_changed}
        )
        return 0
    already = f"Source {name} is configured so already; nothing changed."
    showing.say(f"Source {name} is kept." if has_changed else already)
    if "path" in config and not (file := settings().root / config["path"]).exists():
        showing.say(f"There is no file {file} yet; put it there before you sync.", "yellow")
    elif has_changed:
        showing.say(f"Try it with `chargeback sources check {name}`.")
    return 0


def _kept_path(given: str) -> str:
    """A path as it is kept: from the project's root where it lies below, else absolute."""
    root = settings().root
    here = Path(given).expanduser().absolute()
    found = here if here.exists() or not (root / given).exists() else root / given
    return str(found.relative_to(root)) if found.is_relative_to(root) else str(found)


def show(as_json: bool) -> int:
    """Show the sources and how far each was read."""
    with ledger_at_hand(), snapshot() as connection:
        sources = usage_sources.sources(connection)
    if as_json:
        names = [
            field.name for field in fields(usage_sources.KeptSource) if field.name != "source_id"
        ]
        showing.print_json([{name: getattr(source, name) for name in names} for source in sources])
    elif not sources:
        showing.say("There is no source yet; add one with `chargeback sources add`.")
    else:
        showing.table([
            {"source": source.name, "kind": source.kind, "role": source.role.value, "reads": _reads(source.config),
             "read up to": f"{source.cursor_at:%Y-%m-%d %H:%M} UTC" if source.cursor_at else "never read"}
            for source in sources
        ])  # fmt: skip
    return 0


def _reads(config: Mapping[str, Any]) -> str:
    """Where the source reads from, in its own words."""
    place = (
        config.get("url") or config.get("path") or config.get("dsn_env") or config.get("dsn_block")
    )
    form = f" ({config['form']})" if config.get("form") else ""
    return f"{place}{form}" if place else "what is pushed"


def check(name: str, as_json: bool) -> int:
    """Try the source; what it raises says what to change."""
    with ledger_at_hand():
        with snapshot() as connection:
            kept = usage_sources.find(connection, name)
        source = open_source(kept.kind, kept.config, open_block)
        trial = tried(source, currency_of(kept.kind, kept.config), now())
    if as_json:
        showing.print_json(
            {"name": name, "ok": not isinstance(trial.first, Refusal), "seen": trial.sentence}
        )
    else:
        showing.say(f"{name}: {trial.sentence}")
    return 0 if not isinstance(trial.first, Refusal) else Invalid.exit_status


def push(name: str, file: Path, as_json: bool) -> int:
    """Load what is in the file, or what is piped in, into a source of kind push."""
    with ledger_at_hand():
        with snapshot() as connection:
            kept = usage_sources.find(connection, name)
        source = open_source(kept.kind, kept.config)
        if not isinstance(source, Push):
            raise Invalid(
                "source_not_pushed",
                f"source {name} is of kind {kept.kind}, which is read and not pushed to; "
                "add one of kind push, or use `chargeback sync`",
            )
        is_piped = str(file) == "-"
        shown = "what was piped in" if is_piped else str(file)
        with (
            _piped() if is_piped else steady_file(file, shown) as found,
            as_text(found, shown) as text,
        ):
            counts = take(name, Batch(source, text, shown), f"pushed from {shown}")
    if as_json:
        showing.print_json(asdict(counts))
    else:
        show_counts([counts])
    return 0


@contextmanager
def _piped() -> Iterator[IO[bytes]]:
    """What is piped in, whole, so that it is complete before the first row is booked."""
    with TemporaryFile() as file:
        shutil.copyfileobj(sys.stdin.buffer, file, _PIECE_BYTES)
        file.seek(0)
        yield file
