"""What becomes of documents and of what was billed: decisions, moves, corrections, the archive."""

from datetime import date
from pathlib import Path
from uuid import UUID

from chargeback import rules
from chargeback.ledger import budgets, issuing, payers, rulebook
from chargeback.ledger.database import transaction
from chargeback.payers_file import read
from chargeback.periods import Period
from models.enums import InvoiceStatus
from tasks.bill_payers import approve_drafts, look_at_drafts, reject_drafts
from tests.faults.month import ISSUED_ON, PERIOD, company
from tests.ledger.books import ACTOR

PAID_ON = date(2026, 11, 21)
RUN = str(UUID(int=7))
TODAY = """
owners:
  agent:
    agent-sql: [{team: team-search}]
rules:
  - rule_id: support-agent-shared
    name: By halves
    rule_type: fixed_split
    priority: 50
    match: {agent_ids: [agent-support]}
    split_percentages: {team-support: 50, team-search: 50}
    allocation_metadata: {entity_type: team}
"""
BUDGETS = """
teams:
  - {id: team-etl, budgets: [{amount: '0.01', to: 2026-12-01}, {amount: '5', from: 2026-12-01}]}
  - {id: team-search, budgets: [{amount: '0.02', thresholds: [50, 100]}]}
"""
BY_USERS = {"rule_id": "searched", "name": "Searches", "rule_type": "by_team", "team_id": "team-etl",
            "priority": 40, "match": {"resource_types": ["search"]}}  # fmt: skip


def import_company() -> None:
    """Payers, owners and rules of the example."""
    with transaction() as connection:
        payers.import_file(connection, company(), ACTOR)


def know_better(_folder: Path) -> None:
    """What is known today: an agent had one owner all along, and support is shared by halves."""
    with transaction() as connection:
        payers.import_file(connection, read(TODAY, "today.yaml"), ACTOR)


def change_rules() -> None:
    """Another rule, for all that is not billed."""
    with transaction() as connection:
        rulebook.put(connection, rules.parse(BY_USERS), ACTOR)


def set_budgets() -> None:
    """What teams mean to spend."""
    with transaction() as connection:
        payers.import_file(connection, read(BUDGETS, "budgets.yaml"), ACTOR)


def ready_budgets(_folder: Path) -> None:
    """The same, before somebody looks at them."""
    set_budgets()


def notice_budgets() -> None:
    """The thresholds that the month passed."""
    with transaction() as connection:
        standings = budgets.standings(connection, Period.parse(PERIOD), ISSUED_ON)
        budgets.notice(connection, standings, ACTOR)


def approve() -> None:
    """As the flow does when a person approved: once for these drafts in this run."""
    found = look_at_drafts.fn(PERIOD, RUN)
    if found["drafts"]:
        approve_drafts.fn(PERIOD, found["hash"], ISSUED_ON, ACTOR, "as budgeted", RUN)


def reject() -> None:
    """As the flow does when a person rejected."""
    found = look_at_drafts.fn(PERIOD, RUN)
    if found["decision"] is None:
        reject_drafts.fn(PERIOD, found["hash"], ACTOR, "too early", RUN)


def move(number: str, wanted: InvoiceStatus) -> issuing.Moved:
    """Move a document, as a person would."""
    with transaction() as connection:
        found = issuing.find(connection, number)
        return issuing.move(connection, found, wanted, PAID_ON, ACTOR, "as agreed")
