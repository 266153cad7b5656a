"""Canonical names of molecules, for uniqueness and novelty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adit import convert
from adit.errors import DataError
from adit.systems import AtomicSystem


@dataclass(frozen=True)
class MoleculeNames:
    """Names of one strictly valid molecule.

    Attributes:
        smiles: canonical SMILES without stereochemistry.
        stereo_smiles: canonical SMILES with the stereochemistry of the geometry.
        inchikey: standard InChIKey, with stereochemistry; tautomers with mobile hydrogens have the same one.
    """

    smiles: str
    stereo_smiles: str
    inchikey: str


def names_of(mol: Any) -> MoleculeNames:
    """Return the names of a sanitised RDKit molecule with one conformer, from which the stereochemistry is derived."""
    stereo = convert.with_stereo(mol)
    return MoleculeNames(
        convert.canonical_smiles(mol), convert.canonical_smiles(stereo, True), convert.inchikey(stereo)
    )


def geometry_names(system: AtomicSystem) -> MoleculeNames | None:
    """Return the names of a neutral molecule, with bonds perceived from its geometry; ``None`` if no bonds fit."""
    try:
        return names_of(convert.to_rdkit(system, charge=0))
    except DataError:
        return None
