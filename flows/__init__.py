"""Processes: order, fan-out and names, and what a person sees of a run. Nouns.

Owns no business and no SQL. Function `invoice_run` is flow `invoice-run` in `flows/invoice_run.py`,
deployed as `invoice-run/chargeback`.
"""
