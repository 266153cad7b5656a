"""Formulas by ionic substitution in the formulas of the training data, as conditions of sampling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from math import gcd
from typing import Final

from adit.elements import composition, reduced_formula, symbol
from adit.errors import DataError
from adit.score.crystals.composition import compositionally_valid
from adit.seeds import generator
from adit.substitute.ions import exchanged, ion_table, ions_of
from adit.systems import AtomicSystem

POOL: Final = 5000
"""Number of formulas that are drawn; those of samples are drawn from them by the number of atoms."""

ATTEMPTS: Final = 20
"""Largest number of attempts per formula of the pool."""

Counts = tuple[tuple[int, int], ...]
"""Atomic numbers, ascending, and numbers of atoms."""


def formulas_of_templates(
    templates: Sequence[AtomicSystem],
    data: Sequence[AtomicSystem],
    seed: int,
    *,
    max_atomic_number: int,
    repeats: bool = False,
    pool: int = POOL,
) -> dict[str, float]:
    """Return formulas made by ionic substitution, each with the number of times that it was drawn as its weight.

    A formula of a training crystal is drawn, and its ions are exchanged. The result passes SMACT's test, and no crystal
    of the data has its reduced formula. Formulas are those of whole cells, e.g. ``Na4Cl4``.

    Args:
        templates: crystals of the training data.
        data: crystals whose reduced formulas are not new.
        seed: seed of the draws.
        max_atomic_number: largest atomic number that the model knows.
        repeats: whether reduced formulas of the data are allowed.
        pool: number of formulas to draw, repetitions included.

    Raises:
        DataError: no formula was found.
    """
    originals = [tuple(sorted(Counter(map(int, system.numbers)).items())) for system in templates]
    taken = frozenset() if repeats else frozenset(reduced_formula(system.numbers) for system in data)
    random = generator("formulas", seed)
    weights: Counter[str] = Counter()
    attempts, drawn = 0, 0
    while originals and drawn < pool and attempts < ATTEMPTS * pool:
        attempts += 1
        counts = dict(originals[int(random.integers(len(originals)))])
        ions = _ions(tuple(counts.items()))
        new = None if ions is None else exchanged(counts, ions, random)
        if new is None:
            continue
        table = ion_table()
        composed = {int(table.numbers[ion]): amount for ion, amount in zip(new, counts.values(), strict=True)}
        if max(composed) <= max_atomic_number and _allowed(tuple(sorted(composed.items())), taken):
            weights["".join(f"{symbol(z)}{composed[z]}" for z in sorted(composed))] += 1
            drawn += 1
    if not weights:
        raise DataError(
            "sample.formulas: substitution: no new formula can be made from the crystals of the data; they have no "
            "ions, or too few"
        )
    return dict(weights)


@cache
def _ions(counts: Counts) -> tuple[int, ...] | None:
    return ions_of(_reduced(counts))


def _allowed(counts: Counts, taken: Collection[str]) -> bool:
    numbers = [z for z, amount in counts for _ in range(amount)]
    return reduced_formula(numbers) not in taken and compositionally_valid(composition(numbers))


def _reduced(counts: Counts) -> Mapping[int, int]:
    divisor = gcd(*(amount for _, amount in counts))
    return {z: amount // divisor for z, amount in counts}
