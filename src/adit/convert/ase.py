"""Systems to and from ASE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from adit.systems import AtomicSystem, Kind

if TYPE_CHECKING:
    from ase import Atoms


def to_atoms(system: AtomicSystem) -> Atoms:
    """Return ASE ``Atoms`` (positions and cell in Å), periodic if the system has a cell."""
    from ase import Atoms

    return Atoms(
        numbers=system.numbers,
        positions=system.positions,
        cell=system.cell,
        pbc=system.cell is not None,
    )


def from_atoms(atoms: Atoms, system_id: str, kind: Kind, info: dict[str, Any] | None = None) -> AtomicSystem:
    """Return the system of ASE ``Atoms``.

    Args:
        atoms: positions and cell in Å.
        system_id: id of the system.
        kind: kind of the system; the cell of a molecule is dropped.
        info: annotations of the system.

    Raises:
        DataError: the result is not a valid system.
    """
    return AtomicSystem(
        system_id=system_id,
        kind=kind,
        numbers=atoms.get_atomic_numbers(),
        positions=atoms.get_positions(),
        cell=np.asarray(atoms.cell[:]) if kind.periodic else None,
        info=info or {},
    )
