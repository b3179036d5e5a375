"""Reading what a `proportional` rule divides by: `direct_cost`, or a quantity and whose it is.

Owns what a driver can be refused for, in one sentence each. Whether its source exists only the ledger knows.
"""

from collections.abc import Mapping
from typing import Any, Final

from chargeback.quoting import quoted
from chargeback.rule import Driver
from chargeback.rule_checks import refuse
from models.enums import RuleType

DIRECT_COST: Final = "direct_cost"
_EXAMPLE = (
    "write direct_cost, or an object like {resource_type: gpu, unit: hours} or {source: headcount}"
)


def read_driver(rule_id: str, rule_type: RuleType, given: Any) -> Driver | None:
    """The driver that `given` describes; a proportional rule without one divides by direct cost. Raises Invalid."""
    if rule_type is not RuleType.PROPORTIONAL:
        if given is not None:
            refuse(rule_id, "field_not_for_type", f"driver means nothing to {rule_type}",
                   "leave it out or make the rule a proportional")  # fmt: skip
        return None
    if given is None or given == DIRECT_COST:
        return Driver()
    if not isinstance(given, Mapping) or not given:
        refuse(rule_id, "driver_invalid", f"driver is {quoted(given)}", _EXAMPLE)
    for name, value in given.items():
        if name not in Driver._fields:
            refuse(
                rule_id, "driver_invalid", f"there is no driver field {quoted(str(name))}", _EXAMPLE
            )
        if not isinstance(value, str) or not value.strip() or len(value) > 255 or "\0" in value:
            refuse(
                rule_id, "driver_invalid", f"driver.{name} is {quoted(value)}", "write it as text"
            )
    driver = Driver(**given)
    if driver.source is None and driver.resource_type is None:
        refuse(
            rule_id, "driver_invalid", "driver names neither a source nor a resource type", _EXAMPLE
        )
    return driver


def written(driver: Driver | None) -> str | dict[str, str] | None:
    """The driver as a rule file writes it."""
    if driver is None:
        return None
    return {name: value for name, value in driver._asdict().items() if value} or DIRECT_COST
