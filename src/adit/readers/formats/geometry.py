"""Checks of coordinates, atomic numbers and periodic directions in every reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from adit.errors import DataError
from adit.systems import AtomicSystem

LARGEST_CELL: Final = 1e4
"""Largest length of a lattice vector, Å; the largest published cells have some hundred Å."""

LARGEST_COORDINATE: Final = 1e5
"""Largest absolute value of a Cartesian coordinate, Å; it may lie outside the cell."""


def check_size(system: AtomicSystem) -> None:
    """Refuse a structure whose numbers are no lengths of atoms in Å: volumes and distances of it overflow.

    Raises:
        DataError: a lattice vector is longer than ``LARGEST_CELL``, or a coordinate is beyond ``LARGEST_COORDINATE``.
    """
    if system.cell is not None:
        longest = float(np.abs(system.cell).max())  # first, since the square of a huge component overflows
        longest = longest if longest > LARGEST_CELL else float(system.lengths.max())
        if longest > LARGEST_CELL:
            raise DataError(f"has a lattice vector of {longest:.3g} Å; at most {LARGEST_CELL:,.0f} Å are read")
    farthest = float(np.abs(system.positions).max())
    if farthest > LARGEST_COORDINATE:
        raise DataError(f"has a coordinate of {farthest:.3g} Å; at most {LARGEST_COORDINATE:,.0f} Å are read")


def need_geometry(positions: np.ndarray) -> None:
    """Refuse coordinates without information: several atoms, all at one point.

    Args:
        positions: (n, 3), Å.

    Raises:
        DataError: all atoms are at one point.
    """
    if len(positions) > 1 and np.ptp(positions, axis=0).max() < 1e-6:
        raise DataError("no geometry: all atoms lie at one point")


def is_periodic(directions: Sequence[bool]) -> tuple[bool, tuple[str, ...]]:
    """Return whether a structure is periodic, and a note if it is so in one or two directions only.

    Args:
        directions: (3,) whether the structure is periodic along each lattice vector, or (1,) for all of them.

    Raises:
        DataError: the number of directions is neither 1 nor 3.
    """
    if len(directions) not in (1, 3):
        raise DataError(f"pbc has {len(directions)} values, not three")
    count = sum(map(bool, directions))
    if len(directions) == 1 or count in (0, 3):
        return count > 0, ()
    spelled = " ".join("T" if each else "F" for each in directions)
    what = "a slab" if count == 2 else "a wire"
    return True, (f"is {what} by its pbc ({spelled}), and is read as a crystal with all three directions periodic",)


def check_numbers(numbers: np.ndarray) -> None:
    """Refuse atomic numbers that are no integers.

    Args:
        numbers: (n,) atomic numbers, as floating-point numbers.

    Raises:
        DataError: one is not an integer.
    """
    if (wrong := numbers[~(np.isfinite(numbers) & (numbers == np.rint(numbers)))]).size:
        raise DataError(f"has the atomic number {wrong[0]:g}, which is not an integer")


def flat(value: Any, name: str = "") -> np.ndarray | None:
    """Return numbers (nested, flat or as text) as a flat array; ``None`` if there are none.

    Args:
        value: the numbers.
        name: name of vectors, for display: each row of nested ones must be three numbers.

    Raises:
        DataError: a text is not JSON, or rows are not three numbers.
    """
    if isinstance(value, str):
        from adit.readers.formats.pymatgen_json import loads

        value = loads(value) if value.strip() else None
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    nested = isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)
    rows = list(value) if nested else [value]
    parts = [np.asarray(row, dtype=float) for row in rows]
    shapes = {part.shape for part in parts if part.size}
    if name and shapes - {()} and shapes != {(3,)}:
        shape = next(shape for shape in shapes if shape != (3,))
        raise DataError(f"each row of its {name} must be three numbers, one is {' × '.join(map(str, shape or (1,)))}")
    return np.concatenate([part.ravel() for part in parts]) if parts else np.zeros(0)
