"""The HTTP door: the published guide's API over the ledger.

Owns how requests are read, whom they are from and how answers are written. What they mean is the ledger's.
"""
