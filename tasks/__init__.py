"""Retryable steps: load, call, save in one transaction. Verbs.

Owns retrying and the journal of steps. The order of steps is the flows', the business `chargeback`'s.
"""
