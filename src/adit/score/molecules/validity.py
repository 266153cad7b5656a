"""Validity of molecules: the strict test, EDM's bond table, and the paper's test, which nearly every sample passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adit import convert
from adit.errors import DataError
from adit.score.molecules.edm import EdmChecks, check_edm
from adit.score.molecules.features import MoleculeFeatures, molecule_features
from adit.score.molecules.names import MoleculeNames, names_of
from adit.systems import AtomicSystem


@dataclass(frozen=True)
class MoleculeChecks:
    """Results of the checks of one molecule.

    Attributes:
        bonded: whether bonds with a total charge of 0 were found, and the molecule sanitises.
        strict: whether it is bonded, one fragment, no radical, and every hydrogen is an atom.
        neutral: whether it is strict, and no atom carries a formal charge (no zwitterion).
        pdb: whether it passes the paper's test.
        names: canonical names of a strictly valid molecule, else ``None``.
        pdb_smiles: SMILES of the largest fragment in the paper's test, else ``None``.
        edm: result of EDM's bond table.
        features: rings, groups and bond lengths of a strictly valid molecule, else ``None``.
        reason: why it is not strictly valid; empty if it is.
    """

    bonded: bool
    strict: bool
    neutral: bool
    pdb: bool
    names: MoleculeNames | None
    pdb_smiles: str | None
    edm: EdmChecks
    features: MoleculeFeatures | None
    reason: str


def check_molecule(system: AtomicSystem) -> MoleculeChecks:
    """Return the results of all checks of one molecule; a failed check is a result, not an error."""
    fragment = pdb_smiles(system)
    edm = check_edm(system)
    try:
        mol = convert.to_rdkit(system, charge=0)
    except DataError as error:
        reason = str(error).removeprefix(f"{system.system_id}: ")
        return MoleculeChecks(False, False, False, fragment is not None, None, fragment, edm, None, reason)
    reason = convert.strict_problem(mol)
    neutral = not reason and all(atom.GetFormalCharge() == 0 for atom in mol.GetAtoms())
    names = None if reason else names_of(mol)
    features = None if reason else molecule_features(mol)
    return MoleculeChecks(True, not reason, neutral, fragment is not None, names, fragment, edm, features, reason)


def pdb_smiles(system: AtomicSystem) -> str | None:
    """Return the SMILES of the largest fragment after a round trip through PDB; ``None`` if RDKit reads no molecule.

    Source: the paper's validity of molecules. It is nearly vacuous: atoms far apart become lone atoms with implicit
    hydrogens, and the largest of them is a valid "molecule".
    """
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        atoms: Any = Chem.MolFromXYZBlock(convert.to_xyz(system))
        if atoms is None:
            return None
        mol: Any = Chem.MolFromPDBBlock(Chem.MolToPDBBlock(atoms), removeHs=False)
        if mol is None:
            return None
        try:
            fragments = Chem.GetMolFrags(mol, asMols=True)
            return str(Chem.MolToSmiles(max(fragments, key=lambda fragment: fragment.GetNumAtoms()))) or None
        except Exception:  # noqa: BLE001 - RDKit raises its own classes; a molecule that it cannot write is not valid
            return None
