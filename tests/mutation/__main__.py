"""`python -m tests.mutation [ledger]`: change the money core in a thousand ways and say what no test noticed.

Prints per module how many changes there were and how many were noticed, then those nobody explained. Ends with 1
where fewer than 95 of 100 are noticed, or one is neither noticed nor explained in survivors.yaml.
"""

import os
import sys
import tempfile
from itertools import groupby
from pathlib import Path

from tests.mutation.mutants import (
    ALWAYS,
    LEAST_KILLED_PERCENT,
    ROUNDS,
    Mutant,
    killed_percent,
    mutate,
    unexplained,
)


def main(names: list[str]) -> int:
    """Run the rounds and print what came of them."""
    mutants: list[Mutant] = []
    for name in names or ALWAYS:
        with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
            mutants += mutate(ROUNDS[name], Path(folder), os.cpu_count() or 1)
    too_few = False
    print(f"\n{'module':40} {'changes':>8} {'noticed':>8} {'':>5}")
    ordered = sorted(mutants, key=lambda one: one.module)
    for module, group in groupby(ordered, key=lambda one: one.module):
        ones = list(group)
        percent = killed_percent(ones)
        too_few = too_few or percent < LEAST_KILLED_PERCENT
        noticed = sum(one.is_noticed for one in ones)
        print(f"{module:40} {len(ones):>8} {noticed:>8} {percent:>4}%")
    open_ones = unexplained(mutants)
    for one in open_ones:
        print(f"UNEXPLAINED ({one.status}) {one.function}\n    {one.becomes}")
    print(
        f"{len(mutants)} changes, {killed_percent(mutants)}% noticed, {len(open_ones)} unexplained"
    )
    return 1 if too_few or open_ones else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
