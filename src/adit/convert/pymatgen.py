"""Systems to and from pymatgen; CIF; cells and symmetry by spglib."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from adit.columns import Col
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind, cell_angles, cell_from_parameters, wrap

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

# spglib's C library writes its warnings to the terminal; its failures are raised as errors anyway.
os.environ.setdefault("SPGLIB_WARNING", "OFF")

_NIGGLI_EPS = (1e-5, 1e-4, 1e-6)
"""Tolerances of spglib's Niggli reduction, tried in order, since each fails for some cells."""


def to_structure(system: AtomicSystem) -> Structure:
    """Return a pymatgen ``Structure`` (Å); positions are not wrapped into the cell.

    Raises:
        DataError: the system has no cell.
    """
    from pymatgen.core import Lattice, Structure

    if system.cell is None:
        raise DataError(f"{system.system_id}: a molecule is not a periodic structure")
    return Structure(
        Lattice(system.cell),
        [int(z) for z in system.numbers],
        system.positions,
        coords_are_cartesian=True,
    )


def to_molecule(system: AtomicSystem, charge: int = 0, unpaired: int = 0) -> Molecule:
    """Return a pymatgen ``Molecule`` (Å).

    Args:
        system: a molecule.
        charge: total charge, e.
        unpaired: number of unpaired electrons.

    Raises:
        DataError: the number of electrons does not allow this number of unpaired ones.
    """
    from pymatgen.core import Molecule

    numbers = [int(z) for z in system.numbers]
    try:
        return Molecule(numbers, system.positions, charge=charge, spin_multiplicity=unpaired + 1)
    except ValueError as error:
        raise DataError(f"{system.system_id}: {error}") from error


def from_molecule(molecule: Molecule, system_id: str, info: dict[str, Any] | None = None) -> AtomicSystem:
    """Return the system of a pymatgen ``Molecule``; its charge is not kept."""
    numbers = np.array([_atomic_number(site.specie) for site in molecule])
    return AtomicSystem(system_id, Kind.MOLECULE, numbers, molecule.cart_coords, info=info or {})


def ionic_structure(ions: Iterable[tuple[str, int, int]]) -> Structure:
    """Return ions in a cube of 10 Å, all at one position: a structure for tools that use only composition and volume.

    Args:
        ions: (symbol, oxidation state, number of atoms) of each ion.
    """
    from pymatgen.core import Lattice, Species, Structure

    species = [Species(symbol, state) for symbol, state, amount in ions for _ in range(amount)]
    return Structure(Lattice.cubic(10.0), species, [[0.0, 0.0, 0.0]] * len(species))


def from_structure(
    structure: Structure, system_id: str, kind: Kind = Kind.CRYSTAL, info: dict[str, Any] | None = None
) -> AtomicSystem:
    """Return the system of an ordered pymatgen ``Structure``.

    Raises:
        DataError: sites are disordered, or the result is not a valid system.
    """
    if not structure.is_ordered:
        raise DataError(f"{system_id}: has disordered sites")
    return AtomicSystem(
        system_id=system_id,
        kind=kind,
        numbers=np.array([_atomic_number(site.specie) for site in structure]),
        positions=structure.cart_coords,
        cell=structure.lattice.matrix,
        info=info or {},
    )


def disordered_structure(
    cell: Sequence[Sequence[float]], positions: Sequence[Sequence[float]], occupancies: Sequence[Mapping[str, float]]
) -> Structure:
    """Return a pymatgen ``Structure`` whose sites are shared by elements.

    Args:
        cell: (3, 3) rows are lattice vectors, Å.
        positions: (n, 3) Cartesian, Å.
        occupancies: element → occupancy (0 to 1) of each site.
    """
    from pymatgen.core import Lattice, Structure

    return Structure(Lattice(cell), [dict(site) for site in occupancies], positions, coords_are_cartesian=True)


def structure_of_dict(value: Mapping[str, Any]) -> Structure:
    """Return the pymatgen ``Structure`` of a dictionary, without the properties of its sites.

    pymatgen imports and calls what such a property names (``@module``, ``@class``), and the dictionary may come from an
    unknown source.

    Raises:
        KeyError, TypeError, ValueError: the dictionary is not that of a structure.
    """
    from pymatgen.core import Structure

    return Structure.from_dict(
        {"lattice": value["lattice"], "sites": _plain_sites(value), "charge": value.get("charge")}
    )


def _plain_sites(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{key: site[key] for key in site if key != "properties"} for site in value["sites"]]


def from_pymatgen_dict(value: Mapping[str, Any], system_id: str) -> AtomicSystem:
    """Return the system of the dictionary of a pymatgen ``Structure`` (with a lattice) or ``Molecule``.

    The charge (e) of a molecule and its unpaired electrons, by its multiplicity, are in ``info``.

    Raises:
        DataError: sites are disordered, charge or multiplicity are not integers, or the result is not a valid system.
        ValueError: charge and multiplicity do not fit the number of electrons.
    """
    from pymatgen.core import Molecule

    if value.get("lattice"):
        return from_structure(structure_of_dict(value), system_id)
    molecule = Molecule.from_dict({**value, "sites": _plain_sites(value), "properties": None})
    if not molecule.is_ordered:
        raise DataError(f"{system_id}: has disordered sites")
    numbers = np.array([_atomic_number(site.specie) for site in molecule])
    info = {str(Col.CHARGE): whole_charge(molecule.charge)} if molecule.charge else {}
    multiplicity = value.get("spin_multiplicity")
    if multiplicity is not None:
        if not float(multiplicity).is_integer() or multiplicity < 1:
            raise DataError(f"spin_multiplicity is {multiplicity}, which is not a positive integer")
        info[str(Col.UNPAIRED)] = int(multiplicity) - 1
    return AtomicSystem(system_id, Kind.MOLECULE, numbers, np.asarray(molecule.cart_coords), info=info)


def whole_charge(charge: float) -> int:
    """Return a charge, e.

    Raises:
        DataError: it is not an integer.
    """
    if not float(charge).is_integer():
        raise DataError(f"charge is {charge}, which is not an integer")
    return int(charge)


def _atomic_number(specie: Any) -> int:
    return int(specie.Z)


def niggli(system: AtomicSystem) -> AtomicSystem:
    """Return the crystal in its Niggli-reduced cell, in the standard orientation (a along x, b in the xy plane).

    The structure is the same up to a proper rotation: atoms, their order, the volume, all periodic distances and
    the handedness do not change; fractional coordinates are wrapped into [0, 1).

    Raises:
        DataError: the system has no cell, or the reduction fails.

    Source: Krivy and Gruber, Acta Cryst. A 32, 297 (1976), and Grosse-Kunstleve et al., Acta Cryst. A 60, 1 (2004),
    as implemented in spglib.
    """
    if system.cell is None:
        raise DataError(f"{system.system_id}: a molecule has no cell to reduce")
    reduced = _niggli_vectors(system.cell)
    if reduced is None:
        raise DataError(f"{system.system_id}: Niggli reduction failed")
    # Rows of ``change`` are the new vectors in terms of the old ones, integers, so that nothing is rounded twice.
    change = np.rint(np.linalg.solve(system.cell.T, reduced.T).T)
    change *= np.sign(np.linalg.det(change @ system.cell))  # right-handed, so that the rotation below is proper
    if abs(abs(np.linalg.det(change)) - 1.0) > 1e-6:
        raise DataError(f"{system.system_id}: Niggli reduction lost the lattice")
    vectors = change @ system.cell
    cell = cell_from_parameters(np.linalg.norm(vectors, axis=1), cell_angles(vectors))
    fractional = wrap(np.linalg.solve(vectors.T, system.positions.T).T)
    return AtomicSystem(
        system_id=system.system_id,
        kind=system.kind,
        numbers=system.numbers,
        positions=fractional @ cell,
        cell=cell,
        info=system.info,
    )


def _niggli_vectors(cell: np.ndarray) -> np.ndarray | None:
    """Return the reduced vectors (3, 3), Å, in the orientation of ``cell``; ``None`` if all tolerances fail."""
    import spglib

    for eps in _NIGGLI_EPS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reduced = spglib.niggli_reduce(cell, eps=eps)
        except Exception:  # noqa: BLE001 - spglib signals "no reduction" by an exception or by None, depending on its version
            continue
        if reduced is not None:
            return np.asarray(reduced)
    return None


def primitive(system: AtomicSystem, symprec: float = 1e-3) -> AtomicSystem:
    """Return the crystal in a primitive cell; unchanged if it is primitive or spglib finds no symmetry.

    Args:
        system: a crystal.
        symprec: tolerance of positions, Å.
    """
    import spglib

    if system.cell is None:
        return system
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cell_data = spglib.find_primitive((system.cell, system.fractional, system.numbers), symprec=symprec)
    except Exception:  # noqa: BLE001 - spglib signals "no symmetry found" by an exception or by None, depending on its version
        return system
    if cell_data is None or len(cell_data[2]) >= len(system):
        return system
    cell, fractional, numbers = cell_data
    return replace(system, numbers=numbers, positions=fractional @ cell, cell=cell)


def from_cif(text: str, system_id: str, kind: Kind = Kind.CRYSTAL, info: dict[str, Any] | None = None) -> AtomicSystem:
    """Read the first structure of a CIF, as written (no reduction to a primitive cell).

    Raises:
        DataError: the text is not a CIF, has no structure, or its sites are disordered.
    """
    from pymatgen.io.cif import CifParser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            structures = CifParser.from_str(text).parse_structures(primitive=False, on_error="ignore")
        except Exception as error:  # the parser may raise any exception
            raise DataError(f"{system_id}: CIF does not parse ({type(error).__name__}: {error})") from error
    if not structures:
        raise DataError(f"{system_id}: CIF holds no readable structure")
    return from_structure(structures[0], system_id, kind, info)


def to_cif(system: AtomicSystem) -> str:
    """Return the crystal as CIF, with all atoms (P1).

    Raises:
        DataError: the system has no cell.
    """
    return str(to_structure(system).to(fmt="cif"))


def spacegroup_number(system: AtomicSystem, symprec: float = 0.1, angle_tolerance: float = 5.0) -> int:
    """Return the international number of the spacegroup; 0 if spglib finds none, or without a cell.

    Args:
        system: a crystal.
        symprec: tolerance of positions, Å.
        angle_tolerance: tolerance of angles, degrees; the default is that of pymatgen's ``SpacegroupAnalyzer``, so that
            both agree.
    """
    import spglib

    if system.cell is None:
        return 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = spglib.get_symmetry_dataset(
                (system.cell, system.fractional, system.numbers), symprec=symprec, angle_tolerance=angle_tolerance
            )
    except Exception:  # noqa: BLE001 - spglib signals "no symmetry found" by an exception or by None, depending on its version
        return 0
    return 0 if dataset is None else int(dataset.number)
