"""The only borders to pymatgen, ASE and RDKit: ``AtomicSystem`` to and from their types, and their file formats."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adit.errors import DataError
from adit.systems import AtomicSystem, Kind, cell_angles, cell_from_parameters, wrap

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Molecule, Structure
    from rdkit.Chem import Mol

_NIGGLI_EPS = (1e-5, 1e-4, 1e-6)
"""Tolerances of spglib's Niggli reduction, tried in order: at one alone, some cells go in circles."""

# --- pymatgen ---------------------------------------------------------------------------------------------------------


def to_structure(system: AtomicSystem) -> Structure:
    """Return a pymatgen ``Structure``; positions are kept, not wrapped.

    Raises:
        DataError: the system has no cell.
    """
    from pymatgen.core import Lattice, Structure

    if system.cell is None:
        raise DataError(f"{system.system_id}: a molecule is no periodic structure")
    return Structure(
        Lattice(system.cell),
        [int(z) for z in system.numbers],
        system.positions,
        coords_are_cartesian=True,
    )


def from_structure(
    structure: Structure, system_id: str, kind: Kind = Kind.CRYSTAL, info: dict[str, Any] | None = None
) -> AtomicSystem:
    """Return the system of an ordered pymatgen ``Structure``.

    Raises:
        DataError: sites are disordered.
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


def _atomic_number(specie: Any) -> int:
    return int(specie.Z)


def to_pymatgen_molecule(system: AtomicSystem) -> Molecule:
    """Return a pymatgen ``Molecule``."""
    from pymatgen.core import Molecule

    return Molecule([int(z) for z in system.numbers], system.positions)


def niggli(system: AtomicSystem) -> AtomicSystem:
    """Return the crystal in its Niggli-reduced cell, in the standard orientation (a along x, b in the xy plane).

    The structure is the same up to a proper rotation: atoms, their order, the volume, all periodic distances and
    the handedness stay; fractional coordinates are wrapped into [0, 1).

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
    # Rows of ``change`` are the new vectors in terms of the old ones: whole numbers, so that nothing is rounded twice.
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
    """Return the reduced vectors (3, 3) in the orientation of ``cell``; ``None`` where no tolerance gives any."""
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
    """Return the crystal in a primitive cell; as it is where it is primitive already or spglib finds no symmetry.

    Args:
        system: a crystal.
        symprec: tolerance, Å.
    """
    import spglib

    if system.cell is None:
        return system
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = spglib.find_primitive((system.cell, system.fractional, system.numbers), symprec=symprec)
    except Exception:  # noqa: BLE001 - spglib signals "no symmetry found" by an exception or by None, depending on its version
        return system
    if found is None or len(found[2]) >= len(system):
        return system
    cell, fractional, numbers = found
    return replace(system, numbers=numbers, positions=fractional @ cell, cell=cell)


def from_cif(text: str, system_id: str, kind: Kind = Kind.CRYSTAL, info: dict[str, Any] | None = None) -> AtomicSystem:
    """Read the first structure of a CIF, as written (no reduction to a primitive cell).

    Raises:
        DataError: the text does not parse.
    """
    from pymatgen.io.cif import CifParser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            structures = CifParser.from_str(text).parse_structures(primitive=False, on_error="ignore")
        except Exception as error:  # the parser raises whatever the text makes it raise
            raise DataError(f"{system_id}: CIF does not parse ({type(error).__name__}: {error})") from error
    if not structures:
        raise DataError(f"{system_id}: CIF holds no readable structure")
    return from_structure(structures[0], system_id, kind, info)


def to_cif(system: AtomicSystem) -> str:
    """Return the crystal as CIF (P1)."""
    return str(to_structure(system).to(fmt="cif"))


def spacegroup_number(system: AtomicSystem, symprec: float = 0.1) -> int:
    """Return the international spacegroup number; 0 where spglib finds none.

    Args:
        system: a crystal.
        symprec: tolerance, Å.
    """
    import spglib

    if system.cell is None:
        return 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = spglib.get_symmetry_dataset((system.cell, system.fractional, system.numbers), symprec=symprec)
    except Exception:  # noqa: BLE001 - spglib signals "no symmetry found" by an exception or by None, depending on its version
        return 0
    return 0 if found is None else int(found.number)


# --- ASE --------------------------------------------------------------------------------------------------------------


def to_atoms(system: AtomicSystem) -> Atoms:
    """Return ASE ``Atoms``, periodic where the system has a cell."""
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
    """Return the system of one frame: a crystal where any direction is periodic, else a molecule, whatever its box.

    ``pbc`` in the comment line decides; without it a ``Lattice`` makes all three directions periodic.

    Raises:
        DataError: the text does not parse, or a periodic frame has no cell with a volume.
    """
    atoms = read_extxyz_frame(text, system_id)
    return from_atoms(atoms, system_id, Kind.CRYSTAL if atoms.pbc.any() else Kind.MOLECULE)


def read_poscar(text: str, system_id: str, kind: Kind = Kind.CRYSTAL) -> AtomicSystem:
    """Return the system of a POSCAR.

    Raises:
        DataError: the text does not parse.
    """
    import warnings

    from pymatgen.io.vasp.inputs import Poscar

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            poscar = Poscar.from_str(text)
    except Exception as error:  # the parser raises whatever the text makes it raise
        raise DataError(f"{system_id}: POSCAR does not parse ({type(error).__name__}: {error})") from error
    if not poscar.true_names:
        raise DataError(f"{system_id}: POSCAR without element symbols (VASP 4); write them in its sixth line")
    return from_structure(poscar.structure, system_id, kind)


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


# --- RDKit ------------------------------------------------------------------------------------------------------------


def to_xyz(system: AtomicSystem) -> str:
    """Return an XYZ block."""
    from adit.elements import symbol

    lines = [str(len(system)), system.system_id]
    lines += [
        f"{symbol(int(z))} {x:.8f} {y:.8f} {w:.8f}"
        for z, (x, y, w) in zip(system.numbers, system.positions, strict=True)
    ]
    return "\n".join(lines) + "\n"


def to_rdkit(system: AtomicSystem, charge: int = 0) -> Mol:
    """Return an RDKit molecule with bonds perceived from the geometry (``rdDetermineBonds``), sanitised.

    Raises:
        DataError: RDKit finds no bonding that fits the charge.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDetermineBonds

    with rdBase.BlockLogs():
        mol = Chem.MolFromXYZBlock(to_xyz(system))
        if mol is None:
            raise DataError(f"{system.system_id}: RDKit does not read the atoms")
        try:
            rdDetermineBonds.DetermineBonds(mol, charge=charge, allowChargedFragments=True, embedChiral=False)
            Chem.SanitizeMol(mol)
        except Exception as error:  # RDKit raises ValueError, RuntimeError and classes of its own
            message = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise DataError(f"{system.system_id}: no bonding fits ({message})") from error
    return mol


def from_rdkit(mol: Mol, system_id: str, info: dict[str, Any] | None = None, conformer: int = -1) -> AtomicSystem:
    """Return the system of an RDKit molecule with a conformer.

    Raises:
        DataError: the molecule has no conformer.
    """
    if mol.GetNumConformers() == 0:
        raise DataError(f"{system_id}: has no conformer")
    return AtomicSystem(
        system_id=system_id,
        kind=Kind.MOLECULE,
        numbers=np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()]),
        positions=np.asarray(mol.GetConformer(conformer).GetPositions()),
        info=info or {},
    )


def from_mol_block(block: str, system_id: str, info: dict[str, Any] | None = None) -> AtomicSystem:
    """Return the system of a MOL block (one entry of an SDF file), hydrogens as written.

    Raises:
        DataError: RDKit does not read it.
    """
    mol = _mol_of_block(block)
    if mol is None:
        raise DataError(f"{system_id}: RDKit does not read the MOL block")
    return from_rdkit(mol, system_id, info)


def read_sdf(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Return the MOL block and the data fields of each entry of an SDF file (``.sdf`` or ``.sdf.gz``)."""
    import gzip

    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", errors="replace") as file:
        return split_sdf(str(file.read()))


def split_sdf(text: str) -> list[tuple[str, dict[str, str]]]:
    """Return the MOL block and the data fields of each entry of the text of an SDF file."""
    entries = []
    for entry in re.split(r"^\$\$\$\$.*\n?", text, flags=re.MULTILINE):
        if not entry.strip():
            continue
        block, _, data = entry.partition("M  END")
        fields = re.findall(r"^>.*<([^>]+)>.*\n(.*)$", data, flags=re.MULTILINE)
        entries.append((f"{block}M  END\n", {name: value.strip() for name, value in fields}))
    return entries


def smiles_of_block(block: str) -> str | None:
    """Return the canonical SMILES of a MOL block, ``None`` where RDKit does not read it."""
    from rdkit import rdBase

    mol = _mol_of_block(block)
    with rdBase.BlockLogs():
        return None if mol is None else canonical_smiles(mol)


def _mol_of_block(block: str) -> Mol | None:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        mol: Mol | None = Chem.MolFromMolBlock(block, removeHs=False)
    return mol


def canonical_smiles(mol: Mol, stereo: bool = False) -> str:
    """Return the canonical SMILES without hydrogens; without stereochemistry unless asked for."""
    from rdkit import Chem

    return str(Chem.MolToSmiles(Chem.RemoveHs(mol), isomericSmiles=stereo))


def with_stereo(mol: Mol) -> Mol:
    """Return a copy with the stereochemistry of its conformer: tetrahedral centres and double bonds."""
    from rdkit import Chem

    copy = Chem.Mol(mol)
    Chem.AssignStereochemistryFrom3D(copy, replaceExistingTags=True)
    return copy


def inchikey(mol: Mol) -> str:
    """Return the standard InChIKey; empty where InChI takes no such molecule."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        key: Any = Chem.MolToInchiKey(mol)  # type: ignore[no-untyped-call]
        return str(key)
