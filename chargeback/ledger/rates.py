"""Our own prices of tokens, and what other currencies are in the ledger's, as they are kept.

Owns writing them down and looking them up. What they make of usage is `chargeback.sources.pricing`.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, text

from chargeback.errors import Invalid
from chargeback.ledger import audit, ledger_settings
from chargeback.rate_card import Rate, RateCard
from chargeback.rate_files import ExchangeRow, RateRow
from chargeback.settings import settings


def rate_card(connection: Connection) -> RateCard:
    """All prices there are."""
    return RateCard(rates(connection))


def rates(connection: Connection) -> list[Rate]:
    """The prices by model, kind and the day they begin."""
    rows = connection.execute(
        text("""SELECT model, token_kind, price, per_tokens, valid_from, valid_to FROM rates
                ORDER BY model COLLATE "C", token_kind COLLATE "C", valid_from""")
    )
    return [Rate(*row) for row in rows]


def import_rates(connection: Connection, rows: Sequence[RateRow], actor: str) -> int:
    """Make the prices of each model and kind that is named so, as a whole; how many changed.

    Rerun: nothing changes. Usage that was priced before keeps its price until it is revalued.
    """
    connection.execute(text("LOCK TABLE rates IN SHARE ROW EXCLUSIVE MODE"))
    held: dict[tuple[str, str], list[Rate]] = {}
    for one in rates(connection):
        held.setdefault((one.model, one.token_kind), []).append(one)
    entries = []
    for key, group in groupby(rows, key=lambda row: (row.model, row.token_kind)):
        wanted = [row.rate for row in group]
        if wanted != (before := held.get(key, [])):
            _replace(connection, key, wanted)
            told = _told(before), _told(wanted)
            entries.append(audit.Entry(actor, "rates.changed", "model", " ".join(key), *told))
    audit.append(connection, *entries)
    return len(entries)


def _replace(connection: Connection, key: tuple[str, str], wanted: Sequence[Rate]) -> None:
    connection.execute(
        text("DELETE FROM rates WHERE model = :model AND token_kind = :kind"),
        {"model": key[0], "kind": key[1]},
    )
    for rate in wanted:
        connection.execute(
            text("""INSERT INTO rates (model, token_kind, price, per_tokens, valid_from, valid_to)
                    VALUES (:model, :token_kind, :price, :per_tokens, :valid_from, :valid_to)"""),
            vars(rate),
        )


def _told(held: Sequence[Rate]) -> dict[str, Any] | None:
    return {"rates": [vars(rate) for rate in held]} if held else None


def exchange_rates(connection: Connection) -> dict[tuple[date, str], Decimal]:
    """What one unit of a currency is in the ledger's, by month and currency."""
    rows = connection.execute(
        text("""SELECT period_month, currency, rate FROM exchange_rates
                ORDER BY period_month, currency COLLATE "C" """)
    )
    return {(month, currency): rate for month, currency, rate in rows}


def import_exchange_rates(connection: Connection, rows: Sequence[ExchangeRow], actor: str) -> int:
    """Make the rates so; how many of them changed. What entered at another rate is `revaluation`'s.

    Rerun: nothing changes. Raises Refused, by the ledger's own guard, for a rate of a month of which an invoice
    was issued; Invalid for the ledger's own currency.
    """
    ledger_settings.check(connection)
    # No invoice is issued between the guard's look and our commit.
    connection.execute(text("LOCK TABLE invoices IN SHARE MODE"))
    # Nor is a rate set by another, who would tell of the same change again.
    connection.execute(text("LOCK TABLE exchange_rates IN SHARE ROW EXCLUSIVE MODE"))
    held, entries = exchange_rates(connection), []
    for row in rows:
        if row.currency == settings().currency:
            raise Invalid(
                "exchange_rate_own",
                f"{row.currency} is the ledger's own currency and needs no rate; leave it out; nothing was changed",
            )
        before = held.get((row.month, row.currency))
        if before == row.rate:
            continue
        connection.execute(
            text("""INSERT INTO exchange_rates (period_month, currency, rate, imported_by)
                    VALUES (:month, :currency, :rate, :actor)
                    ON CONFLICT (period_month, currency) DO UPDATE
                    SET rate = :rate, imported_by = :actor, imported_at = now()"""),
            {**row.model_dump(), "actor": actor},
        )
        entries.append(
            audit.Entry(actor, "exchange_rate.set", "exchange_rate", f"{row.month:%Y-%m} {row.currency}",
                        None if before is None else {"rate": str(before)}, {"rate": str(row.rate)})
        )  # fmt: skip
    audit.append(connection, *entries)
    return len(entries)


def listed_exchange_rates(connection: Connection) -> list[Any]:
    """Every rate by month and currency, with the invoice that froze it, if one did."""
    return list(
        connection.execute(
            text("""SELECT period_month, currency, rate, imported_by, (
                        SELECT min(number) FROM invoices WHERE kind = 'invoice' AND content_hash IS NOT NULL
                          AND status NOT IN ('draft', 'pending') AND period_end > period_month
                          AND period_start < period_month + interval '1 month') AS frozen_by
                    FROM exchange_rates ORDER BY period_month, currency COLLATE "C" """)
        )
    )
