"""What every fault must leave behind: the same facts, sound books, and words that people can read."""

import re
from pathlib import Path

from sqlalchemy import Connection, text

from chargeback.documents.file_store import FileStore
from chargeback.ledger.database import snapshot
from chargeback.ledger.digest import parts
from chargeback.ledger.verify import verify

# How the drivers and SQLAlchemy speak; none of it may reach a person.
RAW = re.compile(
    r"psycopg|asyncpg|sqlalchemy|sqlalche\.me|DETAIL:|CONTEXT:|SQLSTATE"
    r"|\bSELECT\b|\bINSERT INTO\b|\bUPDATE \w+ SET\b|\bduplicate key\b|\bdeadlock detected\b"
    r"|UniqueViolation|DeadlockDetected|IntegrityError|OperationalError|InterfaceError|DBAPIError",
)

RAW_WORDS = "raw words"

# What the digest leaves out because it decides no money, and what no fault may change either.
BESIDE = {
    "published": "SELECT kind, subject, uri, sha256 FROM documents ORDER BY uri",
    "messages": """SELECT i.number, channel, event, d.revision, age_days, recipient, message_id, d.state
                   FROM deliveries d JOIN invoices i USING (invoice_id) ORDER BY message_id""",
    "decisions": """SELECT period_start, decision, decided_by, note, numbers, total, encode(drafts_hash, 'hex')
                    FROM approvals ORDER BY approval_id""",
    "cursors": "SELECT name, cursor_at FROM usage_sources ORDER BY name",
    "archives": "SELECT month, state, form, record_count, digest FROM usage_archives ORDER BY month",
    "counters": "SELECT series, last_ordinal FROM number_counters ORDER BY series",
    "rules": """SELECT rule_id, version, name, priority, enabled, is_closing, receivers FROM allocation_rules
                ORDER BY rule_id, version""",
    "payers": """SELECT team_id, name, contact, tax_rate FROM teams UNION ALL
                 SELECT user_id, name, NULL, NULL FROM users ORDER BY 1, 2""",
    "owners": "SELECT to_jsonb(o) - 'ownership_id' - 'created_at' AS owner FROM ownerships o ORDER BY 1",
    "members": "SELECT to_jsonb(m) - 'membership_id' - 'created_at' AS member FROM memberships m ORDER BY 1",
    "budgets": "SELECT to_jsonb(b) - 'budget_id' AS budget FROM budgets b ORDER BY 1",
    "alerts": "SELECT team_id, month, threshold, amount, spent, event_id FROM budget_alerts ORDER BY 1, 2, 3",
    "rates": """SELECT to_jsonb(r) - 'rate_id' - 'created_at' - 'imported_at' FROM rates r UNION ALL
                SELECT to_jsonb(e) - 'created_at' - 'imported_at' FROM exchange_rates e ORDER BY 1""",
    "keys": "SELECT caller, key, status, content FROM idempotency_keys ORDER BY caller, key",
    "notes": "SELECT usage_id, resource_id, metadata FROM usage_notes ORDER BY usage_id",
    # Who did what to which thing, each once; ids in it are those of the round.
    "audit": """SELECT actor, action, subject_kind, count(*) FROM audit_log GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
}


def facts(url: str | None = None) -> dict[str, str]:
    """A hash per part of what the ledger says, and what it says of all that is beside the money."""
    with snapshot(url) as connection:
        return {
            **parts(connection),
            **{name: _said(connection, query) for name, query in BESIDE.items()},
        }


def _said(connection: Connection, query: str) -> str:
    return "\n".join(" ".join(map(str, row)) for row in connection.execute(text(query)))


def assert_sound(files: Path, url: str | None = None) -> None:
    """Every invariant holds, that of the published files included."""
    with snapshot(url) as connection:
        broken = verify(connection, None, FileStore(files))
    assert not broken, broken


def assert_readable(said: str) -> None:
    """What a person is told is in our words."""
    assert not RAW.search(said), f"{RAW_WORDS}: {said}"
