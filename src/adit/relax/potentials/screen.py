"""Checks before any energy is computed: overlapping atoms, empty or collapsed cells are refused."""

from __future__ import annotations

import numpy as np

from adit import convert
from adit.elements import covalent_radii, symbol
from adit.systems import AtomicSystem

MIN_VOLUME_PER_ATOM = 1.0
"""Smallest volume per atom, Å³ (diamond, the densest at zero pressure: 5.7; LiH: 8.2)."""

MIN_CONTACT = 0.5
"""Smallest ratio of a distance to the sum of the covalent radii in a relaxed structure."""

PUSHED_CONTACT = 0.7
"""Smallest ratio of a distance to the sum of the covalent radii after pushing atoms apart."""

PUSH_ROUNDS = 200
"""Largest number of rounds of pushing atoms apart."""


def refuse(system: AtomicSystem, min_distance: float, max_volume_per_atom: float) -> str | None:
    """Return why a system is not relaxed, or ``None``.

    Args:
        system: any system.
        min_distance: smallest distance between atoms, periodic images included, Å.
        max_volume_per_atom: largest volume per atom, Å³.
    """
    if system.cell is None:
        return "is not periodic"
    volume = system.volume / len(system)
    if volume > max_volume_per_atom:
        return f"cell too empty: {volume:.0f} Å³ per atom, at most {max_volume_per_atom:g}"
    if volume < MIN_VOLUME_PER_ATOM:
        return f"cell too dense: {volume:.2f} Å³ per atom, at least {MIN_VOLUME_PER_ATOM:g}"
    distance = distance_below(system, min_distance)
    if distance is not None:
        return f"atoms overlap: {distance:.2f} Å apart, at least {min_distance:g}"
    return None


def distance_below(system: AtomicSystem, cutoff: float) -> float | None:
    """Return the shortest distance (Å, periodic images included) if it is below ``cutoff`` (Å), else ``None``."""
    from ase.neighborlist import neighbor_list

    if cutoff <= 0:
        return None
    distances = neighbor_list("d", convert.to_atoms(system), cutoff)
    return float(distances.min()) if len(distances) else None


def contact(system: AtomicSystem) -> str | None:
    """Return why a relaxed structure is invalid (atoms closer than ``MIN_CONTACT`` allows), or ``None``."""
    from ase.neighborlist import neighbor_list

    radii = covalent_radii()[system.numbers]
    first, second, distances = neighbor_list("ijd", convert.to_atoms(system), 2 * MIN_CONTACT * float(radii.max()))
    shares = distances / (radii[first] + radii[second])
    if not len(shares) or shares.min() >= MIN_CONTACT:
        return None
    worst = int(np.argmin(shares))
    names = "–".join(symbol(int(system.numbers[i])) for i in (first[worst], second[worst]))
    return f"atoms overlap: {names} {distances[worst]:.2f} Å apart"


def push_apart(system: AtomicSystem) -> AtomicSystem | None:
    """Return the system with overlapping atoms moved apart in the same cell; ``None`` if that is impossible.

    In each round, both atoms of every pair that is too close are moved along their connecting line by half of the
    missing distance, all pairs at once, until there is no such pair. Atoms at exactly the same position are first moved
    in a direction that depends on their indices. An atom too close to its own image cannot be moved away.

    Args:
        system: a crystal.
    """
    from ase.neighborlist import neighbor_list

    if system.cell is None:
        return None
    radii = covalent_radii()[system.numbers]
    atoms = convert.to_atoms(system)
    reach = 2 * PUSHED_CONTACT * float(radii.max())
    for _ in range(PUSH_ROUNDS):
        first, second, vectors, distances = neighbor_list("ijDd", atoms, reach)
        wanted = PUSHED_CONTACT * (radii[first] + radii[second])
        close = distances < wanted * 0.999
        if not close.any():
            return convert.from_atoms(atoms, system.system_id, system.kind, dict(system.info))
        if (first[close] == second[close]).any():
            return None
        shifts = np.zeros_like(atoms.positions)
        for i, j, vector, distance, goal in zip(
            first[close], second[close], vectors[close], distances[close], wanted[close], strict=True
        ):
            line = vector / distance if distance > 1e-3 else _direction(int(i), int(j))
            shifts[i] -= line * (goal - distance) / 2  # each pair occurs twice, once from either atom
        atoms.positions += shifts
    return None


def _direction(first: int, second: int) -> np.ndarray:
    """Return a unit vector (3,) for two atoms at the same position; exchanging the atoms reverses it."""
    low, high = sorted((first, second))
    vector = np.array([np.cos(low + 1.0), np.sin(high + 1.0), np.cos(low * 3.0 + high + 1.0)])
    return vector / np.linalg.norm(vector) * (1.0 if first == low else -1.0)
