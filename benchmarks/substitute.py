"""Time of the baseline generator and what it changes, on a prepared dataset of crystals.

python benchmarks/substitute.py results/datasets/mp20.arrow 1000
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

from adit.elements import composition
from adit.score.crystals.composition import compositionally_valid
from adit.substitute.crystals import substitute
from adit.substitute.templates import crystals_of


def main() -> None:
    """Make crystals and print the time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("n", type=int, nargs="?", default=1000)
    args = parser.parse_args()
    started = time.process_time(), time.perf_counter()
    templates, data = crystals_of(args.data, 1)
    read = time.process_time() - started[0]
    crystals = substitute(templates, data, args.n, seed=0)
    taken, wall = time.process_time() - started[0], time.perf_counter() - started[1]
    valid = sum(compositionally_valid(composition(system.numbers)) for system in crystals)
    changed = Counter(len(system.info["exchange"]) for system in crystals)
    print(
        f"{args.n} crystals from {len(templates)}: {taken:.1f} s of one core ({read:.1f} s reading), {wall:.1f} s wall"
    )
    print(f"SMACT-valid: {valid}; elements exchanged: {dict(sorted(changed.items()))}")


if __name__ == "__main__":
    main()
