"""All tables together, for who looks at the schema as a whole. A table alone is imported from its own module."""

from models.allocation import Allocation
from models.allocation_day import AllocationDay
from models.allocation_rule import AllocationRule
from models.api_token import ApiToken
from models.approval import Approval
from models.archived_usage import ArchivedUsage
from models.audit_entry import AuditEntry
from models.audit_head import AuditHead
from models.base import Base
from models.billing_run import BillingRun
from models.billing_step import BillingStep
from models.budget import Budget
from models.budget_alert import BudgetAlert
from models.cost_pool import CostPool
from models.delivery import Delivery
from models.document import Document
from models.exchange_rate import ExchangeRate
from models.idempotency_key import IdempotencyKey
from models.intake_fix import IntakeFix
from models.invoice import Invoice
from models.invoice_line import InvoiceLine
from models.ledger_settings import LedgerSettings
from models.line_allocation import LineAllocation
from models.membership import Membership
from models.number_counter import NumberCounter
from models.ownership import Ownership
from models.pool_allocation import PoolAllocation
from models.pool_cell import PoolCell
from models.rate import Rate
from models.reallocation import Reallocation
from models.retired_pool_allocation import RetiredPoolAllocation
from models.retired_pool_cell import RetiredPoolCell
from models.source_total import SourceTotal
from models.team import Team
from models.usage_archive import UsageArchive
from models.usage_batch import UsageBatch
from models.usage_cell import UsageCell
from models.usage_manifest import UsageManifest
from models.usage_note import UsageNote
from models.usage_quarantine import UsageQuarantine
from models.usage_record import UsageRecord
from models.usage_scope import UsageScope
from models.usage_snapshot import UsageSnapshot
from models.usage_source import UsageSource
from models.user import User
from models.waiting_usage import WaitingUsage

__all__ = [
    "Allocation",
    "AllocationDay",
    "AllocationRule",
    "ApiToken",
    "Approval",
    "ArchivedUsage",
    "AuditEntry",
    "AuditHead",
    "Base",
    "BillingRun",
    "BillingStep",
    "Budget",
    "BudgetAlert",
    "CostPool",
    "Delivery",
    "Document",
    "ExchangeRate",
    "IdempotencyKey",
    "IntakeFix",
    "Invoice",
    "InvoiceLine",
    "LedgerSettings",
    "LineAllocation",
    "Membership",
    "NumberCounter",
    "Ownership",
    "PoolAllocation",
    "PoolCell",
    "Rate",
    "Reallocation",
    "RetiredPoolAllocation",
    "RetiredPoolCell",
    "SourceTotal",
    "Team",
    "UsageArchive",
    "UsageBatch",
    "UsageCell",
    "UsageManifest",
    "UsageNote",
    "UsageQuarantine",
    "UsageRecord",
    "UsageScope",
    "UsageSnapshot",
    "UsageSource",
    "User",
    "WaitingUsage",
]
