"""Two teams side by side, red and tan, of each the same things; and a third, sky, of which there is nothing.

Red used 10.00 by itself, tan 20.00; of a shared 100.00 red bears 60.00 and tan 40.00. October is billed, and then
3.00 and 4.00 come late: they are in no pool yet. What red's and tan's agents used names no team, its owner says it.
All names are three letters long, so that answers differ in nothing but them.
"""

from dataclasses import dataclass
from datetime import date

from chargeback.ledger import invoices
from chargeback.ledger.database import transaction
from chargeback.ledger.shares import ShareName
from chargeback.periods import Period
from tests.ledger.books import Books

OCTOBER = Period(date(2026, 10, 1), date(2026, 11, 1))
COMPANY = """
teams: [{id: red, members: [{user: ana}]}, {id: tan, members: [{user: bob}]}]
owners:
  agent: {red-bot: [{team: red}], tan-bot: [{team: tan}]}
rules:
  - {rule_id: gpu, rule_type: fixed_split, split_percentages: {red: 60, tan: 40}, priority: 10,
     match: {resource_types: [gpu]}, allocation_metadata: {entity_type: team}}
"""


@dataclass(frozen=True)
class Things:
    """What there is of one team: its names, and the ids of what it has."""

    team: str
    user: str
    invoice: str
    rule: str
    usage: str

    @property
    def allocation(self) -> str:
        """The id of what its user bears of October."""
        return str(ShareName("by_usage", self.team, self.user, OCTOBER))

    def without_names(self, text: str) -> str:
        """`text` with the team's own names taken out: two answers that say the same are the same then."""
        for name in (
            self.allocation,
            self.allocation[:80],
            self.invoice,
            self.rule,
            self.usage,
            self.team,
            self.user,
        ):
            text = text.replace(name, "…")
        return text


def tell(books: Books) -> None:
    """The story."""
    books.import_yaml(COMPANY)
    books.use(None, "ana", "10", agent="red-bot", resource_type="query")
    books.use(None, "bob", "20", agent="tan-bot", resource_type="query")
    books.use("tan", "bob", "100", resource_type="gpu")
    books.bill("2026-10")
    books.use(None, "ana", "3", "2026-10-20", agent="red-bot").use("tan", "bob", "4", "2026-10-20")
    books.load()


def things() -> dict[str, Things]:
    """What there is of red, tan and sky in a ledger that holds the story."""
    with transaction() as connection:
        listed = invoices.rows(connection)
    ids = {one.team_id: one.invoice_id for one in listed}
    return {
        "red": Things("red", "ana", ids["red"], "rule-red", "u-1"),
        "tan": Things("tan", "bob", ids["tan"], "rule-tan", "u-2"),
        "sky": Things("sky", "cyd", "12345678-90ab-4cde-8f01-234567890abc", "rule-sky", "u-9"),
    }
