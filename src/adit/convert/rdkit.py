"""Systems to and from RDKit; SDF and SMILES."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adit.elements import symbol
from adit.errors import DataError, printable
from adit.limits import check_pairwise
from adit.systems import AtomicSystem, Kind

if TYPE_CHECKING:
    from rdkit.Chem import Mol


def to_xyz(system: AtomicSystem) -> str:
    """Return the system as the text of an XYZ file (Å), with its id as comment."""
    lines = [str(len(system)), system.system_id]
    lines += [
        f"{symbol(int(z))} {x:.8f} {y:.8f} {w:.8f}"
        for z, (x, y, w) in zip(system.numbers, system.positions, strict=True)
    ]
    return "\n".join(lines) + "\n"


def to_rdkit(system: AtomicSystem, charge: int = 0, *, charged_atoms: bool = True) -> Mol:
    """Return an RDKit molecule with bonds perceived from the geometry (``rdDetermineBonds``), sanitised.

    Args:
        system: a molecule.
        charge: total charge, e.
        charged_atoms: whether atoms with an unusual valence get a formal charge; otherwise they are radicals.

    Raises:
        DataError: RDKit cannot assign bonds with this charge.
        LimitError: the system has too many atoms for operations on all pairs.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDetermineBonds

    check_pairwise(len(system))
    with rdBase.BlockLogs():
        mol = Chem.MolFromXYZBlock(to_xyz(system))
        if mol is None:
            raise DataError(f"{system.system_id}: RDKit does not read the atoms")
        try:
            rdDetermineBonds.DetermineBonds(mol, charge=charge, allowChargedFragments=charged_atoms, embedChiral=False)
            Chem.SanitizeMol(mol)
        except Exception as error:  # RDKit raises ValueError, RuntimeError and its own classes
            message = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise DataError(f"{system.system_id}: no bonding fits ({message})") from error
    return mol


def strict_problem(mol: Mol) -> str:
    """Return why a sanitised RDKit molecule is not strictly valid (connected, no radical, all hydrogens), or ""."""
    from rdkit import Chem

    if len(Chem.GetMolFrags(mol)) != 1:
        return "not connected"
    atoms = list(mol.GetAtoms())
    if any(atom.GetNumRadicalElectrons() for atom in atoms):
        return "radical"
    if any(atom.GetNumImplicitHs() or atom.GetNumExplicitHs() for atom in atoms):
        return "hydrogens missing"
    return ""


def from_rdkit(mol: Mol, system_id: str, info: dict[str, Any] | None = None, conformer: int = -1) -> AtomicSystem:
    """Return the system of an RDKit molecule with a conformer (Å).

    Args:
        mol: the molecule.
        system_id: id of the system.
        info: annotations of the system.
        conformer: id of the conformer; -1: the first one.

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


def to_sdf_entry(mol: Mol, system_id: str, fields: Mapping[str, object]) -> str:
    """Return one entry of an SDF file: atoms, bonds, and data fields.

    Args:
        mol: molecule with a conformer (Å).
        system_id: title of the entry; control characters, ends of lines among them, are written as escapes.
        fields: name → value of data fields, as the title; values that are ``None`` are left out.
    """
    from rdkit import Chem

    block = Chem.MolToMolBlock(mol, kekulize=True)
    lines = [printable(system_id), *block.splitlines()[1:]]
    for name, value in fields.items():
        lines += [] if value is None else [f">  <{name}>", printable(str(value)), ""]
    return "\n".join([*lines, "$$$$", ""])


def from_mol_block(block: str, system_id: str, info: dict[str, Any] | None = None) -> AtomicSystem:
    """Return the system of a MOL block (one entry of an SDF file), hydrogens as written.

    Raises:
        DataError: RDKit does not read the block.
    """
    mol = _mol_of_block(block)
    if mol is None:
        raise DataError(f"{system_id}: RDKit does not read the MOL block")
    return from_rdkit(mol, system_id, info)


def read_sdf(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Return the MOL block and the data fields of each entry of an SDF file (``.sdf`` or ``.sdf.gz``).

    Raises:
        OSError, EOFError: the file is missing, truncated or not compressed as its name says.
    """
    import gzip

    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", errors="replace") as file:
        return split_sdf(str(file.read()))


def split_sdf(text: str) -> list[tuple[str, dict[str, str]]]:
    """Return the MOL block and the data fields of each entry of the text of an SDF file."""
    entries = []
    text = re.sub(r"\r\n?", "\n", text.removeprefix("\ufeff"))
    for entry in re.split(r"^\$\$\$\$.*\n?", text, flags=re.MULTILINE):
        if not entry.strip():
            continue
        block, _, data = entry.partition("M  END")
        fields = re.findall(r"^>.*<([^>]+)>.*\n(.*)$", data, flags=re.MULTILINE)
        entries.append((f"{block}M  END\n", {name: value.strip() for name, value in fields}))
    return entries


def smiles_of_block(block: str) -> str | None:
    """Return the canonical SMILES of a MOL block, without stereochemistry; ``None`` if RDKit cannot read it."""
    from rdkit import rdBase

    mol = _mol_of_block(block)
    with rdBase.BlockLogs():
        return None if mol is None else canonical_smiles(mol)


def charge_of_smiles(smiles: str) -> int:
    """Return the total charge (e) of a SMILES; 0 if RDKit cannot read it."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles, sanitize=False)
    return 0 if mol is None else int(Chem.GetFormalCharge(mol))


def _mol_of_block(block: str) -> Mol | None:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        mol: Mol | None = Chem.MolFromMolBlock(block, removeHs=False)
    return mol


def canonical_smiles(mol: Mol, stereo: bool = False) -> str:
    """Return the canonical SMILES without explicit hydrogens; with stereochemistry only if ``stereo`` is true."""
    from rdkit import Chem

    return str(Chem.MolToSmiles(Chem.RemoveHs(mol), isomericSmiles=stereo))


def with_stereo(mol: Mol) -> Mol:
    """Return a copy with the stereochemistry (tetrahedral centres, double bonds) of its conformer."""
    from rdkit import Chem

    copy = Chem.Mol(mol)
    Chem.AssignStereochemistryFrom3D(copy, replaceExistingTags=True)
    return copy


def inchikey(mol: Mol) -> str:
    """Return the standard InChIKey; empty if InChI does not support the molecule."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        key: Any = Chem.MolToInchiKey(mol)  # type: ignore[no-untyped-call]
        return str(key)
