"""Looks at an installation and says what is wrong with it and how to mend that.

Owns the checks, not how they are shown. Changes nothing; an embedded Postgres that is not running is
started for the time of the examination. No finding ever shows a password.
"""

import contextlib
import importlib.metadata
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from packaging.requirements import Requirement
from sqlalchemy import Connection, create_engine, text

from chargeback import clock
from chargeback.errors import ChargebackError
from chargeback.ledger import database
from chargeback.settings import settings
from entrypoints import prefect_server
from entrypoints.ledger_at_hand import postgres_at_hand
from entrypoints.postgres import ledger_url

OLDEST_POSTGRES = 15
DISK_FREE_BYTES = 1 << 30
CLOCK_DIFFERENCE_SECONDS = 2
DURABLE = ("synchronous_commit", "fsync", "full_page_writes")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is well, what was seen, and how to mend it if not."""

    name: str
    ok: bool
    seen: str
    mend: str = ""


def examine() -> list[Finding]:
    """Everything that was looked at; the installation is well when each finding is."""
    return [*_packages(), _disk(), _file_store(), _time_zone(), *_ledger(), *_prefect()]


def _packages() -> list[Finding]:
    """Whether the installed versions are those the project was made for."""
    mend = "run `make up`, which installs the locked versions"
    try:
        requirements = [
            Requirement(each) for each in importlib.metadata.requires("chargeback") or []
        ]
    except importlib.metadata.PackageNotFoundError:
        return [Finding("packages", False, "the project itself is not installed", mend)]
    wrong = []
    for requirement in requirements:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = _installed(requirement.name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            wrong.append(
                f"{requirement.name} {version or 'missing'}, needed {requirement.specifier}"
            )
    seen = "; ".join(wrong) or f"all {len(requirements)} within their pins"
    return [Finding("packages", not wrong, seen, mend)]


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _disk() -> Finding:
    home = settings().home
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    return Finding(
        "disk",
        free >= DISK_FREE_BYTES,
        f"{free >> 20} MiB free at {there}",
        f"free {DISK_FREE_BYTES >> 20} MiB there, or set CHARGEBACK_HOME to a larger disk",
    )


def _file_store() -> Finding:
    folder = settings().files
    mend = (
        f"let this user write in {folder}, or set CHARGEBACK_FILE_STORE to a folder it can write in"
    )
    try:
        there = next(place for place in (folder, *folder.parents) if place.exists())
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(b"probe")
    except OSError as error:
        return Finding("file store", False, f"{folder}: {error.strerror}", mend)
    return Finding("file store", True, f"{folder} can be written", mend)


def _time_zone() -> Finding:
    """Whether Python knows the billing zone's rules: without the data, every zone would be refused."""
    zone = settings().billing_zone
    try:
        now = clock.now().astimezone(ZoneInfo(zone))
    except (OSError, ValueError) as error:
        return Finding("time zone", False, f"{zone}: {error}", "install the package tzdata")
    return Finding("time zone", True, f"{zone}, now {now:%Y-%m-%d %H:%M %z}")


def _ledger() -> list[Finding]:
    """The findings about the ledger's database; one that says why when it cannot be reached."""
    mend = "run `make up`"
    if settings().database_url is not None:
        mend = "start it, or mend CHARGEBACK_DATABASE_URL"
    elif not (settings().home / "postgres").exists():
        return [Finding("postgres", False, f"no ledger in {settings().home} yet", mend)]
    try:
        with _connection() as connection:
            return [check(connection) for check in _LEDGER_CHECKS]
    except ChargebackError as error:
        return [Finding("postgres", False, error.message, mend)]


@contextlib.contextmanager
def _connection() -> Iterator[Connection]:
    given = settings().database_url
    with contextlib.nullcontext() if given else postgres_at_hand(settings().home):
        engine = create_engine(
            given or ledger_url(settings().home), connect_args={"connect_timeout": 10}
        )
        try:
            with database.translated(), engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()


def _postgres_version(connection: Connection) -> Finding:
    number, name = connection.execute(
        text("SELECT current_setting('server_version_num')::int, current_setting('server_version')")
    ).one()
    mend = f"use PostgreSQL {OLDEST_POSTGRES} or newer"
    return Finding("postgres", number >= OLDEST_POSTGRES * 10_000, f"PostgreSQL {name}", mend)


def _durability(connection: Connection) -> Finding:
    seen = {
        name: str(
            connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar_one()
        )
        for name in DURABLE
    }
    # local, remote_write and remote_apply also wait until the commit is on this server's disk.
    off = [name for name, value in seen.items() if value == "off"]
    mend = "; ".join(f"ALTER SYSTEM SET {name} = on" for name in off) + ", then restart Postgres"
    shown = ", ".join(f"{name} {value}" for name, value in seen.items())
    return Finding(
        "durability", not off, shown, f"{mend}: without it, committed money is lost in a crash"
    )


def _encoding(connection: Connection) -> Finding:
    encoding = connection.execute(text("SELECT current_setting('server_encoding')")).scalar_one()
    mend = "make the database again with ENCODING 'UTF8'"
    return Finding("encoding", encoding == "UTF8", encoding, mend)


def _app_role(connection: Connection) -> Finding:
    name, is_super, owned = connection.execute(
        text(
            "SELECT current_user, r.rolsuper, (SELECT count(*) FROM pg_class c WHERE c.relowner = r.oid)"
            " FROM pg_roles r WHERE r.rolname = current_user"
        )
    ).one()
    ok = not is_super and owned == 0
    seen = f"connected as {name}, {'a superuser' if is_super else 'no superuser'}, owner of {owned} relations"
    mend = "connect as chargeback_app: an owner or superuser gets past the ledger's guards"
    return Finding("app role", ok, seen, mend)


def _roles(connection: Connection) -> Finding:
    wanted = {"chargeback_owner", "chargeback_app", "chargeback_viewer"}
    rows = connection.execute(text("SELECT rolname FROM pg_roles WHERE rolname LIKE 'chargeback%'"))
    missing = wanted - set(rows.scalars())
    seen = f"missing: {', '.join(sorted(missing))}" if missing else ", ".join(sorted(wanted))
    return Finding("roles", not missing, seen, "run `chargeback db upgrade`")


def _migrations(connection: Connection) -> Finding:
    newest = database.newest_version()
    version = database.version(connection)
    seen = f"at {version or 'none'}" + ("" if version == newest else f", newest is {newest}")
    return Finding("migrations", version == newest, seen, "run `chargeback db upgrade`")


def _extensions(connection: Connection) -> Finding:
    query = text("SELECT default_version FROM pg_available_extensions WHERE name = 'btree_gist'")
    version = connection.execute(query).scalar()
    seen = f"btree_gist {version}" if version else "btree_gist is not available"
    return Finding("extensions", version is not None, seen, "install Postgres's contrib package")


def _clocks(connection: Connection) -> Finding:
    before = clock.now()
    theirs: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    after = clock.now()
    difference = (theirs - before - (after - before) / 2).total_seconds()
    mend = "let both machines keep their time by NTP"
    seen = f"database {difference:+.3f} s from this machine"
    return Finding("clock", abs(difference) <= CLOCK_DIFFERENCE_SECONDS, seen, mend)


def _zone_rules(connection: Connection) -> Finding:
    """Whether Postgres and Python agree on what o'clock it is in the billing zone."""
    zone = settings().zone
    theirs: datetime = connection.execute(
        text("SELECT now() AT TIME ZONE :zone"), {"zone": settings().billing_zone}
    ).scalar_one()
    ours: datetime = connection.execute(text("SELECT now()")).scalar_one().astimezone(zone)
    ok = theirs == ours.replace(tzinfo=None)
    seen = f"Postgres says {theirs:%H:%M}, Python {ours:%H:%M} in {zone.key}"
    return Finding("zone rules", ok, seen, "bring the time zone data of both up to date")


_LEDGER_CHECKS: tuple[Callable[[Connection], Finding], ...] = (
    _postgres_version,
    _durability,
    _encoding,
    _extensions,
    _clocks,
    _zone_rules,
    _roles,
    _app_role,
    _migrations,
)


def _prefect() -> list[Finding]:
    own = f"http://127.0.0.1:{settings().prefect_port}/api"
    api_url = (settings().prefect_api_url or own).rstrip("/")
    if not prefect_server.is_healthy(api_url):
        if settings().prefect_api_url is None:
            return [Finding("prefect", True, "not running; `make up` starts it")]
        seen = f"no answer from {prefect_server.without_password(api_url)}"
        return [Finding("prefect", False, seen, "start it, or mend PREFECT_API_URL")]
    version = prefect_server.get(api_url, "/admin/version")
    ours = importlib.metadata.version("prefect")
    is_same = version is not None and _minor(str(version)) == _minor(ours)
    return [
        Finding(
            "prefect",
            is_same,
            f"{prefect_server.without_password(api_url)}, version {version}, here {ours}",
            "let server and workers have the same minor version of Prefect",
        ),
        Finding(
            "worker",
            prefect_server.is_pool_ready(api_url),
            f"work pool {prefect_server.POOL}: {prefect_server.pool_status(api_url)}",
            f"run `make up`, or `prefect worker start --pool {prefect_server.POOL}`",
        ),
    ]


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
