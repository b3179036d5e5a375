"""Reads cost trackers: each kind turns its deliveries into usage and refusals (`contract`).

Owns the reading and checking of what was delivered and the list of kinds; does not own what becomes
of it: the ledger stores, counts and quarantines.
"""

from collections.abc import Mapping
from typing import Any

from chargeback.errors import Invalid, Refused
from chargeback.settings import settings
from chargeback.sources.contract import SnapshotSource, Source
from chargeback.sources.cost_tracker import CostTracker
from chargeback.sources.cost_tracker_config import CostTrackerConfig
from chargeback.sources.focus import Focus
from chargeback.sources.focus_config import FocusConfig

KINDS = (CostTracker.kind, Focus.kind)


def open_source(kind: str, config: Mapping[str, Any]) -> Source | SnapshotSource:
    """The source that `config` describes; nothing is read yet.

    Raises Invalid for a kind or a configuration that cannot be, Refused for a currency that is
    not the ledger's.
    """
    if kind == Focus.kind:
        return Focus(FocusConfig.of(config), settings().root)
    if kind != CostTracker.kind:
        raise Invalid(
            "source_kind_unknown",
            f"There is no such kind of source; the kinds are: {', '.join(KINDS)}.",
        )
    checked = CostTrackerConfig.of(config)
    if checked.currency != settings().currency:
        raise Refused(
            "source_currency",
            f"The source's costs are in {checked.currency} and the ledger's in "
            f"{settings().currency}; deliver them in {settings().currency}.",
        )
    return CostTracker(checked, settings().root, settings().source_timeout_seconds)
