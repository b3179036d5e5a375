"""How a shared cost was split, in words that a team lead understands; on paper and on pages."""

from collections.abc import Iterable
from decimal import Decimal

from chargeback.documents.wording import exact, money
from chargeback.money import EXACT, exact_sum
from chargeback.views import SplitRow
from models.enums import RuleType


def split_sentence(split: SplitRow, currency: str, whose: str = "your") -> str:
    """One sentence: what was shared, among how many, by what, and this payer's part."""
    part = part_of(split, currency)
    return f"{split_words(split, currency)}; {whose} part is {part} {currency}."


def split_words(split: SplitRow, currency: str) -> str:
    """What was shared, among how many, and by what."""
    return f"{split.rule_name}: {_shown(split.shared, currency)} {currency} {_how(split)}"


def part_of(split: SplitRow, currency: str) -> str:
    """This payer's part as it is shown."""
    return _shown(split.cost, currency)


def _shown(amount: Decimal, currency: str) -> str:
    """Money as it is printed; an amount that would print as nothing is written in full."""
    printed = money(amount, currency)
    return (
        exact(amount) if amount and not any(digit in printed for digit in "123456789") else printed
    )


def _how(split: SplitRow) -> str:
    among = f"among {split.payers:,} payers" if split.payers > 1 else "for one payer"
    if split.rule_type in (RuleType.EQUAL_SPLIT, RuleType.BY_TEAM):
        members = "members" if split.rule_type is RuleType.BY_TEAM else "payers"
        return f"in equal parts among {split.payers:,} {members}" if split.payers > 1 else among
    if split.rule_type is RuleType.PROPORTIONAL:
        return f"in proportion to what each used {among}, {_percent(split.cost, split.shared)} for this payer"
    if split.weight is not None and split.weights:
        return (
            f"by fixed percentages {among}, {_percent(split.weight, split.weights)} for this payer"
        )
    return f"by fixed percentages {among}"


def _percent(part: Decimal, whole: Decimal) -> str:
    """A percentage with up to two decimals, no zeros behind; nothing of nothing is none."""
    if not whole:
        return "0%"
    hundredths = EXACT.multiply(part, Decimal(10_000)) / whole
    return f"{exact(Decimal(round(hundredths)).scaleb(-2))}%"


def together(splits: Iterable[SplitRow]) -> list[SplitRow]:
    """One row per rule version: what its lines say of different resource types is one shared cost to a reader."""
    found: dict[tuple[str, int], SplitRow] = {}
    for split in splits:
        key = split.rule_id, split.rule_version
        held = found.get(key)
        found[key] = split if held is None else _joined(held, split)
    return sorted(found.values(), key=lambda one: (-abs(one.cost), one.rule_id, one.rule_version))


def _joined(one: SplitRow, other: SplitRow) -> SplitRow:
    is_alike = (one.weight, one.weights) == (other.weight, other.weights)
    return SplitRow(
        one.position, one.rule_id, one.rule_version, one.rule_name, one.rule_type,
        exact_sum((one.shared, other.shared)), exact_sum((one.cost, other.cost)), max(one.payers, other.payers),
        one.weight if is_alike else None, one.weights if is_alike else None,
    )  # fmt: skip
