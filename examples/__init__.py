"""Payers, rules and usage to try Chargeback with; `SOURCE.md` says where each comes from."""
