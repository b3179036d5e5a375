"""What arrives for archived months: refused, because what was held of it is not here to compare with.

Owns the refusal. Which months are archived is `archives`'s.
"""

from datetime import date
from decimal import Decimal

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.ledger import archives
from chargeback.ledger.chunks import Chunk
from chargeback.ledger.held_usage import move_to_refused
from chargeback.ledger.tallies import ManifestLine
from chargeback.sources.contract import Refusal
from chargeback.sources.kept_usage import kept

_TAKE = text("""
    DELETE FROM arrived WHERE usage_at < CAST(:horizon AS timestamp) AT TIME ZONE 'UTC' RETURNING *
""")


def refuse_archived(connection: Connection, chunk: Chunk) -> None:
    """Take what is older than the archive's horizon out of `arrived`, and quarantine it."""
    horizon = archives.horizon(connection)
    if horizon is None or date(*min(chunk.months), 1) >= horizon:
        return
    gone = connection.execute(_TAKE, {"horizon": horizon}).mappings().all()
    for row in sorted(gone, key=lambda row: row["ordinal"]):
        raw = row["original_cost"]
        if raw is None:
            raw = money.EXACT.add(row["cost"], row["residual"])
        reason = (
            f"usage {row['external_id']} is of {row['usage_at']:%Y-%m}, and usage before {horizon} is archived; "
            "waive it, or restore the month with `chargeback archive restore` and deliver it again"
        )
        refusal = Refusal(
            chunk.positions[row["ordinal"]], row["external_id"], None, "archived_period", reason,
            kept({**row, "cost": raw, "usage_date": None}), raw, row["currency"], is_read=True,
        )  # fmt: skip
        chunk.refusals.append((row["usage_date"], refusal))
        line = ManifestLine(row["usage_date"], row["currency"], row["exchange_rate"] or Decimal(1))
        move_to_refused(chunk, line, ManifestLine(row["usage_date"], row["currency"]), raw)
