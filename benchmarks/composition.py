"""Compositional validity of a split by both tests, and whether the fast answer equals enumeration on its compositions.

python benchmarks/composition.py data/mp20.arrow --split test --enumerate 2000
"""

from __future__ import annotations

import argparse
import itertools
import json
from math import prod
from pathlib import Path

import smact
from machine import describe
from smact.screening import pauling_test

from adit.elements import composition
from adit.score.crystals.composition import (
    MAX_COMBINATIONS,
    compositionally_valid,
    element_data,
    reduced,
    smact_native_valid,
)
from adit.store import read_systems


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--enumerate", type=int, default=2000, help="the first so many different compositions")
    args = parser.parse_args()
    counts = [composition(system.numbers) for system in read_systems(args.data).systems(args.split)]
    distinct = list({json.dumps(reduced(each)): reduced(each) for each in counts}.values())[: args.enumerate]
    loop = [compositionally_valid(each) for each in counts]
    native = [smact_native_valid(each) for each in counts]
    measurements = {
        "machine": describe(),
        "compositions": len(counts),
        "SMACT14 loop": sum(loop),
        "SMACT14 loop, share": round(sum(loop) / len(loop), 4),
        f"native function, smact {smact.__version__}": sum(native),
        "native function, share": round(sum(native) / len(native), 4),
        "both": sum(a and b for a, b in zip(loop, native, strict=True)),
        "enumerated": len(distinct),
        "enumeration differs": sum(compositionally_valid(each) != enumerated(each) for each in distinct),
    }
    print(json.dumps(measurements, indent=1))


def enumerated(counts: dict[str, int]) -> bool:
    """Return the test by every combination of oxidation states and smact's own ``pauling_test``."""
    data = [element_data(symbol) for symbol in counts]
    if len(data) == 1 or all(each.metal for each in data):
        return True
    if prod(len(each.states) for each in data) > MAX_COMBINATIONS:
        return False
    neutral = (
        states
        for states in itertools.product(*(each.states for each in data))
        if sum(state * count for state, count in zip(states, counts.values(), strict=True)) == 0
    )
    electronegativities = [each.electronegativity for each in data]
    return any(None in electronegativities or pauling_test(states, electronegativities) for states in neutral)


if __name__ == "__main__":
    main()
