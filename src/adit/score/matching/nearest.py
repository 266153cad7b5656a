"""The nearest known crystal of each sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from adit.elements import reduced_formula
from adit.progress import Progress
from adit.score.matching.amd import amd_fingerprint
from adit.systems import AtomicSystem

LARGEST: Final = 500
"""Largest number of known crystals of the same formula, or elements, that a sample is compared with."""


@dataclass(frozen=True)
class Nearest:
    """The nearest known crystal.

    Attributes:
        system_id: id of the known crystal.
        formula: its reduced formula, which is that of the sample if a crystal of that formula is known.
        distance: largest difference of their average minimum distances, Å; 0 for the same crystal.
    """

    system_id: str
    formula: str
    distance: float


def nearest_known(systems: Sequence[AtomicSystem], references: Sequence[AtomicSystem]) -> dict[str, Nearest]:
    """Return by id the nearest known crystal of the same formula, else of the same elements, if there is one.

    Args:
        systems: crystals.
        references: reference crystals.
    """
    by_formula, by_elements = _index(references)

    @cache
    def of_known(number: int) -> np.ndarray | None:
        return amd_fingerprint(references[number])

    nearest: dict[str, Nearest] = {}
    progress = Progress("nearest known crystals", len(systems))
    for system in systems:
        alike = by_formula.get(reduced_formula(system.numbers)) or by_elements.get(_elements(system)) or []
        mine = amd_fingerprint(system) if alike else None
        others = [] if mine is None else [(of_known(number), number) for number in alike[:LARGEST]]
        apart = [(float(np.abs(mine - other).max()), number) for other, number in others if other is not None]
        if apart:
            distance, number = min(apart)
            formula = reduced_formula(references[number].numbers)
            nearest[system.system_id] = Nearest(references[number].system_id, formula, distance)
        progress.update()
    return nearest


def _index(references: Sequence[AtomicSystem]) -> tuple[Mapping[str, list[int]], Mapping[frozenset[int], list[int]]]:
    by_formula: dict[str, list[int]] = {}
    by_elements: dict[frozenset[int], list[int]] = {}
    for number, system in enumerate(references):
        by_formula.setdefault(reduced_formula(system.numbers), []).append(number)
        by_elements.setdefault(_elements(system), []).append(number)
    return by_formula, by_elements


def _elements(system: AtomicSystem) -> frozenset[int]:
    return frozenset(system.numbers.tolist())
