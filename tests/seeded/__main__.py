"""`python -m tests.seeded [--at-once N] [--times N] [word…]`: put each known fault in and say which test saw it.

Without words all of them, else those whose name has one of the words. Ends with 1 where one was not caught.
"""

import argparse
import sys

from tests.seeded.bugs import complaint, judge_all, seeded_bugs


def main() -> int:
    """Judge the bugs and print a line for each."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("words", nargs="*")
    asked.add_argument("--at-once", type=int, help="how many, by default one per processor")
    asked.add_argument("--times", type=int, default=1, help="judge each so often: none by luck")
    asked.add_argument("--told", action="store_true", help="print what pytest said")
    given = asked.parse_args()
    bugs = [
        bug
        for bug in seeded_bugs()
        if not given.words or any(word in bug.name for word in given.words)
    ]
    stale = {bug.name: said for bug in bugs if (said := complaint(bug))}
    for name, said in stale.items():
        print(f"DOES NOT APPLY {name}: {said}")
    missed = 0
    for verdict in judge_all(
        [bug for bug in bugs if bug.name not in stale] * given.times, given.at_once
    ):
        missed += not verdict.is_caught
        outcome = f"caught by {verdict.failed}" if verdict.is_caught else "NOT CAUGHT"
        print(f"{verdict.bug.name}: {outcome} ({verdict.seconds} s)", flush=True)
        if given.told or not verdict.is_caught:
            print(verdict.said[-3000:])
    caught = len(bugs) * given.times - missed - len(stale) * given.times
    print(f"{caught} caught, {missed} not caught, {len(stale)} do not apply")
    return 1 if missed or stale or not bugs else 0


if __name__ == "__main__":
    sys.exit(main())
