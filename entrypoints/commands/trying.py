"""What `chargeback what-if` does."""

from pathlib import Path

from chargeback.documents import wording
from chargeback.ledger.what_if import Difference, WhatIf, what_if
from chargeback.payers_file import PayersFile, read
from chargeback.periods import Period
from entrypoints import showing
from entrypoints.commands.asked import actor
from entrypoints.commands.payers import content_of
from entrypoints.ledger_at_hand import ledger_at_hand


def try_rules(period: str, rules: Path | None, as_json: bool) -> int:
    """Show who would bear what of the period under the draft, and keep nothing of it."""
    wanted = Period.parse(period)
    draft = read(content_of(rules), str(rules)) if rules else PayersFile()
    with ledger_at_hand(), showing.progress("Trying the rules") as progress:
        progress(f"Sharing {wanted.label} anew", 0, None)
        found = what_if(wanted, draft, actor())
    if as_json:
        showing.print_json(_as_json(found))
    else:
        _show(found, rules)
    return 0


def _as_json(found: WhatIf) -> dict[str, object]:
    return {
        **showing.plain(found),
        "moved": found.moved,
        "payers": [{**showing.plain(one), "difference": one.difference} for one in found.payers],
        "teams": [{**showing.plain(one), "difference": one.difference} for one in found.by_team],
    }


def _show(found: WhatIf, rules: Path | None) -> None:
    whose = f"Under {rules}" if rules else "Under the rules in force"
    if not found.payers:
        showing.say(f"Nobody bears any cost of {found.period.label}.")
        return
    now, then = f"bears now ({found.currency})", f"then ({found.currency})"
    showing.table(
        [
            {"payer": one.team_id or one.user_id or "nobody", now: one.now, then: one.then,
             "difference": _signed(one)}
            for one in sorted(found.by_team, key=lambda one: one.difference)
        ],
        right=[now, then, "difference"],
        title=f"{found.period.label}, billed and not",
    )  # fmt: skip
    for rule in found.taken:
        showing.say(f"Rule {rule.rule_id} would take {wording.exact(rule.cost)} {found.currency}.")
    if found.moved:
        amount = f"{wording.exact(found.moved)} {found.currency}"
        showing.say(f"{whose} {amount} would move; the differences add up to 0, to the last digit.")
    else:
        showing.say(f"{whose} nothing would move: everybody bears what it bears now.")
    showing.say_dry_run()


def _signed(one: Difference) -> str:
    return f"{'+' if one.difference > 0 else ''}{wording.exact(one.difference)}"
