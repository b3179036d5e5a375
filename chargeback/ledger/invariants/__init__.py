"""The fourteen invariants, as queries that return what breaks them. Running and telling is `ledger.verify`'s."""
