"""Measurements beside floors taken in the same run, since machines differ and are noisy: `make bench`."""
