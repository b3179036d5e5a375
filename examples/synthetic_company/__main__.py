"""Bill the synthetic company's three months into the ledger at hand, and say where to look."""

from chargeback.ledger import usage_sources
from chargeback.ledger.database import transaction
from chargeback.settings import settings
from entrypoints import showing
from entrypoints.ledger_at_hand import ledger_at_hand
from examples.synthetic_company.story import SOURCE, tell


def main() -> int:
    """Tell the story; 3 where the ledger is used for something else, so that nothing made up gets into it."""
    with ledger_at_hand():
        with transaction() as connection:
            others = {source.name for source in usage_sources.sources(connection)} - {SOURCE}
        if others:
            showing.say(
                f"This ledger reads usage from {', '.join(sorted(others))}; set CHARGEBACK_HOME to an empty folder."
            )
            return 3
        tell(settings().home / "synthetic_company")
    showing.say(
        "A made-up company's August, September and October of 2026 are billed. To look closer:"
    )
    for command in ("status", "reconcile 2026-10", "unattributed 2026-10", "verify"):
        showing.say(f"  chargeback {command}")
    showing.say(f"Its documents and reports lie under {settings().files}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
