"""Systems to and from ASE; extended XYZ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adit.errors import DataError
from adit.systems import AtomicSystem, Kind

if TYPE_CHECKING:
    from ase import Atoms


def to_atoms(system: AtomicSystem) -> Atoms:
    """Return ASE ``Atoms``, periodic if the system has a cell."""
    from ase import Atoms

    return Atoms(
        numbers=system.numbers,
        positions=system.positions,
        cell=system.cell,
        pbc=system.cell is not None,
    )


def from_atoms(atoms: Atoms, system_id: str, kind: Kind, info: dict[str, Any] | None = None) -> AtomicSystem:
    """Return the system of ASE ``Atoms``; the cell is dropped for molecules."""
    return AtomicSystem(
        system_id=system_id,
        kind=kind,
        numbers=atoms.get_atomic_numbers(),
        positions=atoms.get_positions(),
        cell=np.asarray(atoms.cell[:]) if kind.periodic else None,
        info=info or {},
    )


def from_extxyz_frame(text: str, system_id: str) -> AtomicSystem:
    """Return the system of one frame: a crystal if any direction is periodic, else a molecule without its box.

    ``pbc`` in the comment line decides; without it a ``Lattice`` makes all three directions periodic.

    Raises:
        DataError: the text does not parse, or a periodic frame has no cell with a volume.
    """
    atoms = read_extxyz_frame(text, system_id)
    return from_atoms(atoms, system_id, Kind.CRYSTAL if atoms.pbc.any() else Kind.MOLECULE)


def read_extxyz_frame(text: str, system_id: str) -> Atoms:
    """Return the one frame of an (extended) XYZ text.

    Raises:
        DataError: the text does not parse.
    """
    import io

    import ase.io

    try:
        atoms: Atoms = ase.io.read(io.StringIO(text), format="extxyz")
    except Exception as error:  # ASE raises whatever the text makes it raise
        raise DataError(f"{system_id}: extended XYZ does not parse ({type(error).__name__}: {error})") from error
    return atoms


def read_extxyz(path: Path) -> list[Atoms]:
    """Return the frames of an (extended) XYZ file.

    Raises:
        DataError: the file does not parse.
    """
    import ase.io

    try:
        frames = ase.io.read(path, index=":", format="extxyz")
    except Exception as error:  # ASE raises whatever the text makes it raise
        raise DataError(f"{path}: extended XYZ does not parse ({type(error).__name__}: {error})") from error
    return list(frames)
