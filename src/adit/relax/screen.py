"""What is no crystal is refused before any energy is computed: overlapping atoms, empty or collapsed cells."""

from __future__ import annotations

import numpy as np

from adit import convert
from adit.elements import covalent_radii, symbol
from adit.systems import AtomicSystem

MIN_VOLUME_PER_ATOM = 1.0
"""Å³; denser cells are refused (diamond, the densest packing of atoms at no pressure, has 5.7; LiH 8.2)."""

MIN_CONTACT = 0.5
"""Relaxed atoms must be further apart than this share of the sum of their covalent radii."""


def refuse(system: AtomicSystem, min_distance: float, max_volume_per_atom: float) -> str | None:
    """Return why a system is not worth relaxing, or ``None``.

    Args:
        system: any system.
        min_distance: Å; atoms, and an atom and its own periodic images, must be further apart.
        max_volume_per_atom: Å³; emptier cells are no crystals.
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
    """Return the shortest distance (Å) where it is below ``cutoff``, else ``None``; periodic images count."""
    from ase.neighborlist import neighbor_list

    if cutoff <= 0:
        return None
    distances = neighbor_list("d", convert.to_atoms(system), cutoff)
    return float(distances.min()) if len(distances) else None


def contact(system: AtomicSystem) -> str | None:
    """Return why a relaxed structure is none: atoms within half a bond, where a learned potential has holes."""
    from ase.neighborlist import neighbor_list

    radii = covalent_radii()[system.numbers]
    first, second, distances = neighbor_list("ijd", convert.to_atoms(system), 2 * MIN_CONTACT * float(radii.max()))
    shares = distances / (radii[first] + radii[second])
    if not len(shares) or shares.min() >= MIN_CONTACT:
        return None
    worst = int(np.argmin(shares))
    names = "–".join(symbol(int(system.numbers[i])) for i in (first[worst], second[worst]))
    return f"atoms overlap: {names} {distances[worst]:.2f} Å apart"
