"""What is no crystal is refused before any energy is computed: overlapping atoms, empty or collapsed cells."""

from __future__ import annotations

from adit import convert
from adit.systems import AtomicSystem

MIN_VOLUME_PER_ATOM = 1.0
"""Å³; denser cells are refused (diamond, the densest packing of atoms at no pressure, has 5.7; LiH 8.2)."""


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
