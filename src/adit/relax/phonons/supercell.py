"""Supercells of finite displacements, and the points of the zone boundary that they hold."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import ceil

import numpy as np

Repeats = tuple[int, int, int]


def repeats(cell: np.ndarray, n_atoms: int, length: float, max_atoms: int) -> Repeats | None:
    """Return how often a cell is repeated along its vectors; ``None`` if a single cell has too many atoms.

    The numbers are even, so that the supercell holds the points of the zone boundary exactly. If the supercell of
    ``length`` has too many atoms, the largest smaller length is used that has not: equal heights keep equal numbers,
    and with them the symmetry. A vector is not repeated only if the cell repeated twice along all has too many atoms.

    Args:
        cell: (3, 3) Å, rows are lattice vectors.
        n_atoms: of the cell.
        length: smallest wanted height of the supercell, Å.
        max_atoms: of the supercell.
    """
    for least in (2, 1):
        for numbers in _smaller_and_smaller(heights(cell), length, least):
            if n_atoms * int(np.prod(numbers)) <= max_atoms:
                return numbers
    return None


def heights(cell: np.ndarray) -> np.ndarray:
    """Return the distances (3,) of opposite faces of a cell, Å."""
    return 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)


def _smaller_and_smaller(spans: np.ndarray, length: float, least: int) -> Iterator[Repeats]:
    """Yield the numbers for ``length`` and for all smaller lengths, at which one of them changes."""
    steps = {span * number for span in spans for number in (1, *range(2, ceil(length / span), 2))}
    for wanted in sorted({length, *(step for step in steps if step < length)}, reverse=True):
        first, second, third = (_even(wanted / span, least) for span in spans)
        yield first, second, third
    yield least, least, least


def _even(ratio: float, least: int) -> int:
    """Return the smallest allowed number that is not below a ratio."""
    number = ceil(ratio - 1e-6)
    return max(least, number if number <= 1 else number + number % 2)


def boundary_points(numbers: Repeats) -> np.ndarray:
    """Return the points (n, 3) with coordinates 0 and ½, without Γ, that a supercell holds; at most 7.

    Args:
        numbers: repeats of the primitive cell.
    """
    axes = [(0.0, 0.5) if number % 2 == 0 else (0.0,) for number in numbers]
    return np.array([point for point in product(*axes) if any(point)]).reshape(-1, 3)
