"""The Prefect server and worker as the stack runs them: their commands, environment and readiness."""

import hashlib
import os
import shutil
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from chargeback.errors import Unavailable
from chargeback.settings import settings
from entrypoints.children import Child

POOL = "chargeback"
READY_SECONDS = 180

# Nothing calls out: no analytics, no promotion, no update check, no server started behind one's back.
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
}

# One row at a time, the recorder lags half a minute behind a thousand tasks.
RECORDER = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}


def environment(home: Path, api_url: str, database_url: str) -> dict[str, str]:
    """What every process of the stack finds in its environment: where all it needs is."""
    no_proxy = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1,localhost"]))
    return {
        **os.environ,
        **QUIET,
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        # Each run is a process that imports some 1,500 modules; compiling them anew takes a third of its start.
        "PYTHONDONTWRITEBYTECODE": "",
        "CHARGEBACK_HOME": str(home),
        "CHARGEBACK_ROOT": str(settings().root),
        "CHARGEBACK_DATABASE_URL": database_url,
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": api_url,
        # The smallest allowed; a run that misses three of them has lost its process.
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        # What our own code says belongs to what is seen of a run.
        "PREFECT_LOGGING_EXTRA_LOGGERS": "chargeback",
        # What the server answers while its Postgres is down; a flow waits for it as for the ledger's.
        "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
        **authentication(),
    }


def authentication() -> dict[str, str]:
    """What a process needs to be let in by a Prefect server that asks who it is; empty where none does."""
    given = os.environ.get("PREFECT_API_AUTH_STRING")
    secret = settings().prefect_auth_string
    if not given and secret is not None:
        given = secret.get_secret_value()
    return {"PREFECT_API_AUTH_STRING": given} if given else {}


def server(home: Path, database_url: str, base: Mapping[str, str]) -> Child:
    """The Prefect server on 127.0.0.1, its state in the embedded Postgres."""
    port = str(settings().prefect_port)
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        port,
    ]
    own = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url,
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # Beside Prefect's own code, which is its usual place, only who installed it may write.
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "prefect" / "ui"),
    }
    if secret := settings().prefect_auth_string:
        own["PREFECT_SERVER_API_AUTH_STRING"] = secret.get_secret_value()
    return Child("prefect-server", command, {**base, **RECORDER, **own}, home, settings().root)


def worker(home: Path, base: Mapping[str, str]) -> Child:
    """A worker of the pool `chargeback`: each flow run is a process of its own on this machine."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
    command += ["--type", "process", "--install-policy", "never"]
    # Two homes on one machine are two workers, so each has a name of its own.
    mark = hashlib.sha256(str(home).encode()).hexdigest()[:6]
    command += ["--name", f"chargeback-{socket.gethostname()}-{mark}"]
    # Without --limit: a worker that has one dies of a run that is retried while it still holds its place.
    # Prefect's workers all use <temporary folder>/runner_storage: whoever made it shuts other users out.
    temporary = home / "tmp"
    # What killed runs left there.
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    return Child("worker", command, {**base, "TMPDIR": str(temporary)}, home, settings().root)


def refuse_taken_port(port: int, setting: str) -> None:
    """Raises Unavailable, naming the setting, when something else listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Unavailable(
                "port_taken",
                f"port {port} of 127.0.0.1 cannot be used ({error.strerror}); "
                f"stop what uses it, or set {setting} to another port",
            ) from None


def get(api_url: str, path: str) -> Any:
    """What the Prefect API answers to a GET, read from JSON; None when it does not answer or says no."""
    return _ask("GET", api_url, path, None)


def post(api_url: str, path: str, body: Mapping[str, Any]) -> Any:
    """The same for a POST."""
    return _ask("POST", api_url, path, body)


def _ask(method: str, api_url: str, path: str, body: Mapping[str, Any] | None) -> Any:
    user, _, password = authentication().get("PREFECT_API_AUTH_STRING", "").partition(":")
    key = os.environ.get("PREFECT_API_KEY")
    try:
        answer = httpx.request(
            method,
            api_url + path,
            json=body,
            auth=(user, password) if user else None,
            headers={"Authorization": f"Bearer {key}"} if key and not user else None,
            timeout=10,
            # A proxy of the environment is for the internet, not for this machine.
            trust_env="//127.0.0.1" not in api_url,
        )
        return answer.json() if answer.is_success else None
    except (httpx.HTTPError, ValueError):
        return None


def is_healthy(api_url: str) -> bool:
    """Whether the Prefect API answers."""
    return get(api_url, "/health") is True


def pool_status(api_url: str) -> str:
    """What the server says of our pool; `missing` where there is none."""
    pool = get(api_url, f"/work_pools/{POOL}")
    return "missing" if pool is None else str(pool.get("status"))


def is_pool_ready(api_url: str) -> bool:
    """Whether a worker of our pool is online, as far as the server knows."""
    return pool_status(api_url) == "READY"


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    scheme, _, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}{place}"


def wait_until_healthy(api_url: str, child: Child | None) -> None:
    """Return when the API answers; raises Unavailable when its process ends or it takes too long."""
    deadline = time.monotonic() + (READY_SECONDS if child else 10)
    while not is_healthy(api_url):
        if child is None and time.monotonic() > deadline:
            raise Unavailable(
                "prefect_unreachable",
                f"no Prefect API answers at {api_url}; start it, or unset PREFECT_API_URL to use the embedded one",
            )
        if child is not None and not child.is_alive():
            raise child.failure("ended while starting")
        if child is not None and time.monotonic() > deadline:
            raise child.failure(f"did not answer within {READY_SECONDS} seconds")
        time.sleep(0.2)


def wait_until_working(api_url: str, child: Child) -> None:
    """Return when the worker is online; raises Unavailable when it ends or takes too long."""
    deadline = time.monotonic() + READY_SECONDS
    while not is_pool_ready(api_url):
        if not child.is_alive():
            raise child.failure("ended while starting")
        if time.monotonic() > deadline:
            raise child.failure(f"was not online within {READY_SECONDS} seconds")
        time.sleep(0.2)
