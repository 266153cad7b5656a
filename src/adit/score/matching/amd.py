"""Average minimum distances: a continuous fingerprint of a crystal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from adit.errors import DataError
from adit.systems import AtomicSystem

AMD: Final = "amd"
"""Key of the fingerprint among the values of a crystal's checks."""

NEIGHBOURS: Final = 100
"""Neighbours of each atom. Source: the authors' choice for the Cambridge Structural Database."""

_MAX_DISTANCES: Final = 20_000_000
_BLOCK: Final = 256


def average_minimum_distances(system: AtomicSystem, neighbours: int = NEIGHBOURS) -> np.ndarray:
    """Return the distance to the 1st, 2nd, … neighbour, averaged over atoms: (neighbours,), Å.

    It does not depend on the choice of cell or on the order of atoms, and is continuous in positions and cell.

    Args:
        system: a crystal.
        neighbours: number of neighbours of each atom, images included.

    Raises:
        DataError: the system has no cell, or one too flat to enumerate images.

    Source: Widdowson et al., MATCH Commun. Math. Comput. Chem. 87, 529 (2022).
    """
    if system.cell is None:
        raise DataError(f"{system.system_id}: has no cell")
    heights = 1.0 / np.linalg.norm(np.linalg.inv(system.cell), axis=0)
    radius = 1.2 * float((0.75 / np.pi * neighbours * system.volume / len(system)) ** (1 / 3)) + 1.0
    while True:
        bounds = np.ceil(radius / heights + 1)
        if not np.isfinite(bounds).all() or np.prod(2 * bounds + 1) * len(system) ** 2 > _MAX_DISTANCES:
            raise DataError(f"{system.system_id}: cell is too flat to search for neighbours")
        axes = [np.arange(-int(b), int(b) + 1) for b in bounds]
        shifts = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) @ system.cell
        places = system.fractional @ system.cell
        images = (places[None] + shifts[:, None]).reshape(-1, 3)
        distances = np.stack([_nearest(np.linalg.norm(images - place, axis=1), neighbours) for place in places])
        if distances[:, -1].max() <= radius:
            return np.asarray(distances.mean(axis=0))
        radius *= 1.5


def amd_fingerprint(system: AtomicSystem) -> np.ndarray | None:
    """Return the average minimum distances (Å) of a crystal; ``None`` if its cell is too flat."""
    try:
        return average_minimum_distances(system)
    except DataError:
        return None


def _nearest(distances: np.ndarray, count: int) -> np.ndarray:
    """Return the ``count`` smallest distances without the atom itself, ascending; infinite if there are too few."""
    padded = np.concatenate([distances, np.full(max(0, count + 1 - len(distances)), np.inf)])
    return np.asarray(np.sort(np.partition(padded, count)[: count + 1])[1:])


def nearest_distances(vectors: Sequence[np.ndarray]) -> list[float]:
    """Return for each vector the distance (Å) to the nearest other one: the largest difference of their entries.

    Two crystals whose atoms can be moved onto each other by at most d each are at most 2 d apart.

    Args:
        vectors: fingerprints (neighbours,) of crystals, Å; fewer than two have no distances.
    """
    if len(vectors) < 2:
        return []
    from scipy.spatial.distance import cdist

    matrix = np.stack(vectors)
    distances: list[float] = []
    for start in range(0, len(matrix), _BLOCK):
        apart = cdist(matrix[start : start + _BLOCK], matrix, metric="chebyshev")
        apart[np.arange(len(apart)), np.arange(start, start + len(apart))] = np.inf
        distances += apart.min(axis=1).tolist()
    return distances
