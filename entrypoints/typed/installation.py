"""Commands about the installation itself."""

from cyclopts import App, Group

from entrypoints.typed.parameters import AsJson

GROUP = Group("The installation", sort_key=1)
DB = App(name="db", help="The ledger's schema.", group=GROUP, group_commands="Commands")


def register(app: App) -> None:
    """Add these commands to the command line."""
    for command in (up, worker, deploy, demo, doctor):
        app.command(command, group=GROUP)
    app.command(DB)
    DB.command(upgrade)


def up() -> int:
    """Keep Postgres, the Prefect server and a worker running until Ctrl-C.

    What is configured from outside (CHARGEBACK_DATABASE_URL, PREFECT_API_URL) is used and not started.
    """
    from entrypoints import stack

    return stack.up()


def worker() -> int:
    """Keep one more worker running until Ctrl-C, for the ledger and the Prefect server that are configured.

    Any number of machines can do so; they need the same CHARGEBACK_DATABASE_URL, PREFECT_API_URL and
    CHARGEBACK_FILE_STORE, and a CHARGEBACK_HOME of their own.
    """
    from entrypoints import stack

    return stack.up(is_worker_only=True)


def deploy() -> int:
    """Bring pool, limits, automations, deployments and their forms onto the Prefect server; again: nothing new.

    Uses the server of PREFECT_API_URL, or that of the stack which is up.
    """
    from entrypoints.commands import installation

    return installation.deploy()


def demo() -> int:
    """Bill a month of the example export, end to end, and show the result.

    Needs an empty ledger, or one that only the demo used. Running it again changes nothing.
    """
    from chargeback.settings import settings

    # Prefect, which the next import brings along, makes its own folder in it, but not this one.
    settings().home.mkdir(parents=True, exist_ok=True)
    from entrypoints import demo as work

    return work.run()


def doctor(*, as_json: AsJson = False) -> int:
    """Examine the installation, and say how to mend what is wrong."""
    from entrypoints.commands import installation

    return installation.doctor(as_json)


def upgrade() -> int:
    """Bring the ledger's schema to the newest version; running it again changes nothing."""
    from entrypoints.commands import installation

    return installation.upgrade()
