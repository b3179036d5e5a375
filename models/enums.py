"""The words the ledger's columns may hold; each is stored as its lower-case text."""

from enum import StrEnum


class InvoiceStatus(StrEnum):
    """Where a document stands; `chargeback.invoice_status` owns the moves."""

    DRAFT = "draft"
    PENDING = "pending"
    SENT = "sent"
    PAID = "paid"
    OVERDUE = "overdue"
    CANCELLED = "cancelled"


class DocumentKind(StrEnum):
    """What a numbered document is."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class Scope(StrEnum):
    """Whose allocations an invoice claims."""

    TEAM = "team"
    USER = "user"
    TEAM_USER = "team_user"
    ALL = "all"


class LineKind(StrEnum):
    """Whether a line's usage lies in the invoice's period or came late."""

    USAGE = "usage"
    LATE = "late"


class LineCause(StrEnum):
    """Why a line is there: usage, usage that changed after it was billed, or shares booked anew."""

    USAGE = "usage"
    CORRECTION = "correction"
    REALLOCATION = "reallocation"


class PoolKind(StrEnum):
    """What a pool shares out: usage, what takes billed usage back, or what stands in for it."""

    USAGE = "usage"
    REVERSAL = "reversal"
    REPLACEMENT = "replacement"


class RuleType(StrEnum):
    """How a rule's cost reaches payers; `unattributed` is built in only."""

    BY_USAGE = "by_usage"
    BY_TEAM = "by_team"
    BY_USER = "by_user"
    FIXED_SPLIT = "fixed_split"
    EQUAL_SPLIT = "equal_split"
    PROPORTIONAL = "proportional"
    UNATTRIBUTED = "unattributed"


class SourceRole(StrEnum):
    """What a source's usage is for: billed, compared only, or weights for sharing."""

    ALLOCATE = "allocate"
    RECONCILE_ONLY = "reconcile_only"
    WEIGHTS = "weights"


class OwnedKind(StrEnum):
    """What a team can own: usage that bears it is the team's."""

    AGENT = "agent"
    ACCOUNT = "account"
    TAG = "tag"
    USER = "user"


class ZeroCost(StrEnum):
    """What becomes of usage that has tokens and costs nothing."""

    ACCEPT = "accept"
    REPRICE = "reprice"
    QUARANTINE = "quarantine"


class FixOperation(StrEnum):
    """How a fix changes a field of a refused row."""

    SET = "set"
    REPLACE = "replace"


class QuarantineState(StrEnum):
    """Where a refused row stands."""

    OPEN = "open"
    WAIVED = "waived"
    REPLACED = "replaced"


class TokenRole(StrEnum):
    """What a token lets its holder do: everything; run, but make no rules; see one team."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


class DeliveryState(StrEnum):
    """Where a message stands: it waits or is tried again, it went out, or nobody will take it."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class SnapshotState(StrEnum):
    """Where a snapshot that was refused whole stands."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REPLACED = "replaced"
