"""What the commands about prices, currencies and cost that nobody owns do."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import date
from pathlib import Path

from chargeback.documents import wording
from chargeback.ledger import rates
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.replay import ReplayCounts, replay
from chargeback.ledger.revaluation import revalue
from chargeback.ledger.unattributed import unattributed as found_unattributed
from chargeback.periods import Period
from chargeback.rate_files import read_exchange_rates, read_rates
from chargeback.settings import settings
from chargeback.sources.pricing import NO_EXCHANGE_RATE, NO_RATE, PRICED_CODES
from chargeback.views import UnattributedView
from entrypoints import showing
from entrypoints.commands import asked
from entrypoints.commands.payers import content_of
from entrypoints.commands.quarantine import say_replayed
from entrypoints.ledger_at_hand import ledger_at_hand


def import_rates(file: Path, as_json: bool) -> int:
    """Make the prices so, and replay what waited for one."""
    rows = read_rates(content_of(file), str(file))
    with ledger_at_hand():
        with transaction() as connection:
            changed = rates.import_rates(connection, rows, asked.actor())
        counts = _replayed([NO_RATE])
    if as_json:
        showing.print_json({"changed": changed, "replayed": [asdict(one) for one in counts]})
        return 0
    said = f"Imported {file}: the rates of {changed} models and kinds of tokens changed."
    showing.say(said if changed else f"{file} says what is so already; nothing changed.")
    _say(counts)
    return 0


def _replayed(codes: Collection[str]) -> list[ReplayCounts]:
    assert set(codes) <= set(PRICED_CODES), "only what a rate cures is replayed by itself"
    return [one for one in replay(None, asked.actor(), codes=codes) if one.tried]


def _say(counts: list[ReplayCounts]) -> None:
    if counts:
        say_replayed(counts)


def list_rates(as_json: bool) -> int:
    """Show the prices of tokens."""
    with ledger_at_hand(), snapshot() as connection:
        found = rates.rates(connection)
    if as_json:
        showing.print_json(found)
    elif not found:
        showing.say("There is no rate yet; `chargeback rates import FILE` adds them.")
    else:
        showing.table([
            {"model": one.model, "tokens": one.token_kind, f"price ({settings().currency})": one.price,
             "for tokens": f"{one.per_tokens:,}", "from": _day(one.valid_from, date.min),
             "to": _day(one.valid_to, date.max)}
            for one in found
        ], right=[f"price ({settings().currency})", "for tokens"])  # fmt: skip
    return 0


def _day(day: date, always: date) -> str:
    return "always" if day == always else day.isoformat()


def import_exchange_rates(file: Path, as_json: bool) -> int:
    """Make the rates so, book what entered at another one anew, and replay what waited for one."""
    rows = read_exchange_rates(content_of(file), str(file))
    with ledger_at_hand(), showing.progress("Booking at the rates there are now"):
        with transaction() as connection:
            changed = rates.import_exchange_rates(connection, rows, asked.actor())
        revalued = revalue()
        counts = _replayed([NO_EXCHANGE_RATE])
    if as_json:
        showing.print_json({"changed": changed, "revalued": revalued,
                            "replayed": [asdict(one) for one in counts]})  # fmt: skip
        return 0
    said = f"Imported {file}: {changed} rates changed."
    showing.say(said if changed else f"{file} says what is so already; nothing changed.")
    if revalued:
        showing.say(f"{revalued} usage records are booked anew at another rate; allocate again.")
    _say(counts)
    return 0


def list_exchange_rates(as_json: bool) -> int:
    """Show the rates of currencies."""
    with ledger_at_hand(), snapshot() as connection:
        found = rates.listed_exchange_rates(connection)
    shown = [dict(row._mapping) for row in found]
    if as_json:
        showing.print_json(shown)
    elif not shown:
        showing.say(
            "There is no rate yet; `chargeback exchange-rates import FILE` adds them. "
            f"Usage in {settings().currency} needs none."
        )
    else:
        showing.table([
            {"month": f"{one['period_month']:%Y-%m}", "currency": one["currency"],
             f"in {settings().currency}": one["rate"], "by": one["imported_by"],
             "frozen": f"by {one['frozen_by']}" if one["frozen_by"] else "not yet"}
            for one in shown
        ], right=[f"in {settings().currency}"])  # fmt: skip
    return 0


def unattributed(period: str, as_yaml: bool, as_json: bool) -> int:
    """Show the cost that nobody owns, and the owners that would clear most of it."""
    wanted = Period.parse(period)
    with ledger_at_hand(), snapshot() as connection:
        found = found_unattributed(connection, wanted)
    if as_json:
        showing.print_json(found)
    elif as_yaml:
        _print_yaml(found)
    else:
        _show_unattributed(found)
    return 0


def _print_yaml(found: UnattributedView) -> None:
    """The owners as a payers file: TEAM stands where a team is to be named."""
    showing.say("# Put a team for each TEAM, then `chargeback import` this file.")
    showing.say("owners:")
    for kind in dict.fromkeys(owner.kind for owner in found.owners):
        showing.say(f"  {kind.value}:")
        for owner in (one for one in found.owners if one.kind is kind):
            key = "'" + owner.key.replace("'", "''") + "'"
            showing.say(f"    {key}:  # {wording.exact(owner.cost)} {found.currency}")
            showing.say("      - {team: TEAM}")


def _show_unattributed(found: UnattributedView) -> None:
    unit, label = found.currency, found.period.label
    if not found.groups:
        showing.say(f"All cost of {label} has an owner.", "green")
        _say_teamless(found)
        return
    showing.table([
        {"source": one.source, "account": one.account_id, "tag": one.owner_tag, "agent": one.agent_id,
         "rows": one.record_count, unit: one.cost}
        for one in found.groups
    ], right=["rows", unit], title=f"{label}: cost that nobody owns")  # fmt: skip
    part = f" of {wording.exact(found.whole)}" if found.whole else ""
    paid = (
        f"; {found.billed_team} is billed for it"
        if found.billed_team
        else ", and nobody is billed for it"
    )
    showing.say(f"{wording.exact(found.cost)}{part} {unit} has no owner{paid}.", "yellow")
    if found.keyless:
        showing.say(
            f"{wording.exact(found.keyless)} {unit} of it bears no account, tag or agent: it must be mended in its "
            "source, or taken by a rule."
        )
    _say_teamless(found)
    if found.owners:
        _show_owners(found)


def _say_teamless(found: UnattributedView) -> None:
    if found.teamless:
        showing.say(
            f"{wording.exact(found.teamless)} {found.currency} is of users in no team, who bear it alone; "
            "name their home teams, or owners of users, to change that."
        )


def _show_owners(found: UnattributedView) -> None:
    showing.table([
        {"owner of": owner.kind.value, "named": owner.key, "first": owner.first_date, "last": owner.last_date,
         "rows": owner.record_count, found.currency: owner.cost}
        for owner in found.owners
    ], right=["rows", found.currency], title="Owners to name, the most first")  # fmt: skip
    showing.say(
        f"They clear {wording.exact(found.cleared)} of {wording.exact(found.cost)} {found.currency}; "
        f"`chargeback unattributed {found.period.label} --yaml` prints them as a file to fill in and import."
    )
