"""A story with everything a ledger can hold, told once and copied by the tests that look at it.

The example month, beside it what tells by hand:

* team-lab uses 14.005 in October (10, 0.005 and 4), is billed 14.01 and written off; 2.5 comes late
* u-solo, in no team, uses 3 and is billed 3.00, overdue by the end of the year
* team-etl pays; team-support's invoice is cancelled and billed again as team-care's and its own
* refused: 7 (open), 6 without a day (open), 5 (waived), 4 (delivered again and booked for team-lab)
* a second source that is only reconciled has 99
* November is drafted: team-lab's usage of 2 and its 2.5 late, under a number given by hand that is the
  counter's next one; team-ops' usage of 1 therefore has the number after it
"""

from chargeback.ledger import quarantine
from chargeback.ledger.database import transaction
from models.enums import SourceRole
from tests.ledger.books import ACTOR, Books

ETL, LAB, SEARCH, SUPPORT, SOLO = (f"INV-20261101-000{place}" for place in range(1, 6))
LAB_IN_NOVEMBER, OPS_IN_NOVEMBER = "INV-20261201-0008", "INV-20261201-0009"
LAB_CREDIT, SUPPORT_CREDIT = "CN-20261102-0001", "CN-20261102-0002"


def tell(books: Books) -> None:
    """All of the story, by the ledger's own functions."""
    _october(books)
    books.bill()
    books.pay(ETL)
    books.cancel(LAB, is_rebillable=False)
    _support_is_billed_again(books)
    books.sweep("2026-12-31")
    books.use("team-lab", "u-lab", "2.5", "2026-10-09", external_id="late")
    books.use("team-lab", "u-lab", "2", "2026-11-05", external_id="november")
    books.use("team-ops", "u-ops", "1", "2026-11-05", external_id="ops")
    books.draft("team-lab", period="2026-11", on="2026-12-01", number=LAB_IN_NOVEMBER)
    books.run("2026-11", on="2026-12-01")


def _october(books: Books) -> None:
    books.import_example()
    books.sync_example()
    books.use("team-lab", "u-lab", "10", "2026-10-05", external_id="ten")
    books.use("team-lab", "u-lab", "0.005", "2026-10-31T23:59:59.5+00:00", external_id="half")
    books.use(None, "u-solo", "3", "2026-10-20", external_id="solo")
    books.refuse("7", "2026-10-05", "open")
    books.refuse("6", None, "undated")
    books.refuse("5", "2026-10-05", "waived")
    books.refuse("4", "2026-10-05", "mended")
    books.load()
    books.use("team-lab", "u-lab", "4", "2026-10-06", external_id="mended", resource_type="gpu")
    books.load()
    ((waived,),) = books.query("SELECT quarantine_id FROM usage_quarantine WHERE raw_cost = 5")
    with transaction() as connection:
        quarantine.waive(connection, waived, "a test row", ACTOR)
    only_reconciled = Books(books.ledger, "bill", SourceRole.RECONCILE_ONLY)
    only_reconciled.use("team-lab", "u-lab", "99", "2026-10-05").load()


def _support_is_billed_again(books: Books) -> None:
    """What was its own goes to team-care by a new rule; the pools it was billed from are retired."""
    books.cancel(SUPPORT)
    books.rule({
        "rule_id": "support-is-care", "name": "Support is Care now", "rule_type": "fixed_split", "priority": 1,
        "team_id": "team-support", "split_percentages": {"team-care": 100},
        "allocation_metadata": {"entity_type": "team"},
    })  # fmt: skip
    books.bill(on="2026-11-03")
