"""The normal form of a system: cell, frame and order of atoms, independent of those in the file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from adit import convert, elements
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind

ATOM_ORDER = "atomic number, then fractional (periodic) or principal-axis (molecules) coordinates, rounded to 1e-4"
"""The canonical order of the atoms. Equal elements are adjacent and ordered along one direction, so that an index is
informative. The order depends only on values, not on the order in the file."""


def normal_form(system: AtomicSystem, max_atoms: int, max_atomic_number: int) -> AtomicSystem:
    """Return the system in its normal form.

    Crystals get their Niggli-reduced cell, other periodic systems keep theirs; molecules are moved to their centroid
    and rotated into their principal axes. The atoms are put into ``ATOM_ORDER``.

    Args:
        system: the system as published.
        max_atoms: largest number of atoms.
        max_atomic_number: highest atomic number of the model's vocabulary.

    Raises:
        DataError: it has more atoms, contains an element outside the vocabulary, or its cell cannot be reduced.
    """
    if len(system) > max_atoms:
        raise DataError(f"too many atoms: {len(system)}, the limit is {max_atoms}")
    unknown = elements.outside_vocabulary(system.numbers, max_atomic_number)
    if unknown:
        raise DataError(f"element outside the vocabulary: {', '.join(unknown)}")
    if system.kind is Kind.CRYSTAL:
        system = convert.niggli(system)
    elif system.cell is None:
        system = replace(system, positions=principal_frame(system.positions))
    return system.ordered(atom_order(system))


def principal_frame(positions: np.ndarray) -> np.ndarray:
    """Return positions (n, 3) in Å relative to the centroid, along the principal axes.

    Args:
        positions: (n, 3) Å.

    The axes are in the order of decreasing spread. Each points in the direction of a positive third moment, except the
    last one, which keeps the handedness. If two spreads are equal or a moment vanishes (linear and symmetric
    molecules), the axis within the plane, or its sign, depends on rounding.
    """
    centred = positions - positions.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1]
    signs = np.where(((centred @ axes) ** 3).sum(axis=0) < 0, -1.0, 1.0)
    axes = axes * signs
    if np.linalg.det(axes) < 0:
        axes[:, 2] = -axes[:, 2]
    return centred @ axes


def atom_order(system: AtomicSystem) -> np.ndarray:
    """Return the indices (n,) that put the atoms into ``ATOM_ORDER``."""
    x, y, z = _rounded(system).T
    return np.lexsort((z, y, x, system.numbers))


def fingerprint(system: AtomicSystem) -> bytes:
    """Return a key that is equal for two systems in normal form if all numbers are equal when rounded to 1e-4.

    Compared are atomic numbers, cell (Å), and fractional coordinates (periodic) or positions in Å (molecules).
    """
    cell = b"" if system.cell is None else np.rint(system.cell * 1e4).astype(np.int64).tobytes()
    return system.numbers.tobytes() + cell + _rounded(system).tobytes()


def _rounded(system: AtomicSystem) -> np.ndarray:
    """Return coordinates (n, 3) in units of 1e-4 as integers; fractional coordinates wrap to 0 at 1."""
    if system.cell is None:
        return np.rint(system.positions * 1e4).astype(np.int64)
    return np.rint(system.fractional * 1e4).astype(np.int64) % 10_000
