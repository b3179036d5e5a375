"""What the commands about the installation do."""

from contextlib import nullcontext

from rich.text import Text

from chargeback.errors import Unavailable
from chargeback.settings import settings
from entrypoints import doctor as examination
from entrypoints import showing
from entrypoints.claim import read_state
from entrypoints.deploying import Deploying, deployment_names
from entrypoints.ledger_at_hand import migration_url, postgres_at_hand, upgrade_where_needed
from entrypoints.prefect_server import POOL, is_healthy
from entrypoints.run_display import busy
from entrypoints.stack import Stack


def doctor(as_json: bool) -> int:
    """Show what was found; 1 when something is not well."""
    findings = examination.examine()
    is_well = all(finding.ok for finding in findings)
    if as_json:
        showing.print_json({"ok": is_well, "findings": findings})
        return int(not is_well)
    showing.table([
        {"": Text("well", "green") if one.ok else Text("not well", "bold red"), "what": one.name, "seen": one.seen,
         "how to mend it": "" if one.ok else one.mend}
        for one in findings
    ])  # fmt: skip
    showing.say("Everything is well." if is_well else "Something needs mending.", "bold")
    return int(not is_well)


def upgrade() -> int:
    """Bring the ledger to the newest version of its schema, and say which."""
    with nullcontext() if settings().database_url else postgres_at_hand(settings().home):
        held, newest = upgrade_where_needed(migration_url())
    if held == newest:
        showing.say(f"The ledger's schema is at version {newest} already; nothing changed.")
    else:
        showing.say(f"The ledger's schema went from version {held or 'none'} to {newest}.")
    return 0


def deploy() -> int:
    """Deploy prefect.yaml and what belongs to it, whether or not it changed since."""
    home = settings().home.resolve()
    given = settings().prefect_api_url
    api_url = given.rstrip("/") if given else read_state(home).get("prefect_api_url")
    if api_url is None or not is_healthy(api_url):
        raise Unavailable(
            "prefect_unreachable",
            f"no Prefect API answers at {api_url or 'any known address'}; run `chargeback up`, or set PREFECT_API_URL",
        )
    stack = Stack(home, api_url, lambda _: None, is_ours=False)
    deploying = Deploying(home, api_url, stack.environment, is_forced=True)
    with busy("Deploying"):
        deploying.wait()
    names = deployment_names()
    showing.say(
        f"{len(names)} deployments are as prefect.yaml and the flows say: {', '.join(names)}."
    )
    showing.say(f"Pool {POOL} takes {settings().pool_runs} runs at once.")
    return 0
