"""Facts of a molecule by RDKit: names, properties, synthetic accessibility, structural alerts, nearest of the data."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adit import convert
from adit.errors import DataError
from adit.systems import AtomicSystem

if TYPE_CHECKING:
    from rdkit.Chem import Mol

CATALOGUES: Final = ("PAINS", "BRENK", "NIH")
"""RDKit's filter catalogues of structural alerts."""

SA_SOURCE: Final = (
    "SA score from 1 (easy to make) to 10 (hard): Ertl and Schuffenhauer, J. Cheminf. 1, 8 (2009), in RDKit."
)
"""Source of the SA score, for display."""

ALERT_SOURCE: Final = (
    "Alerts: RDKit's filter catalogues PAINS (assay interference), Brenk and NIH (unwanted groups). An alert is a hint."
)
"""Source of the alerts, for display."""


def names(mol: Mol) -> dict[str, str]:
    """Return SMILES without and with the stereochemistry of the geometry, InChI and InChIKey; empty if there is none.

    Args:
        mol: a molecule with one conformer.
    """
    from rdkit import Chem, rdBase

    stereo = convert.with_stereo(mol)
    with rdBase.BlockLogs():
        inchi: Any = Chem.MolToInchi(stereo)  # type: ignore[no-untyped-call]
    return {
        "SMILES": convert.canonical_smiles(mol),
        "SMILES with stereochemistry": convert.canonical_smiles(stereo, stereo=True),
        "InChI": str(inchi),
        "InChIKey": convert.inchikey(stereo),
    }


def properties(mol: Mol) -> dict[str, float]:
    """Return properties of the molecular graph, with their units in the names.

    Raises:
        DataError: RDKit's script of the SA score is missing.
    """
    from rdkit import Chem
    from rdkit.Chem import QED, Crippen, Descriptors, rdMolDescriptors

    mol = Chem.RemoveHs(mol)
    rd: Any = rdMolDescriptors
    qed: Any = QED.qed
    return {
        "molar mass, g/mol": float(Descriptors.MolWt(mol)),  # type: ignore[attr-defined]
        "logP (Crippen)": float(Crippen.MolLogP(mol)),  # type: ignore[attr-defined]
        "polar surface (TPSA), Å²": float(rd.CalcTPSA(mol)),
        "donors of hydrogen bonds": float(rd.CalcNumHBD(mol)),
        "acceptors of hydrogen bonds": float(rd.CalcNumHBA(mol)),
        "rotatable bonds": float(rd.CalcNumRotatableBonds(mol)),
        "rings": float(rd.CalcNumRings(mol)),
        "sp³ share of the carbon atoms": float(rd.CalcFractionCSP3(mol)),
        "drug-likeness (QED), 0 to 1": float(qed(mol)),
        "SA score, 1 to 10": sa_score(mol),
    }


def sa_score(mol: Mol) -> float:
    """Return the score of synthetic accessibility, from 1 (easy) to 10 (hard).

    Raises:
        DataError: RDKit's script of the score is missing.

    Source: Ertl and Schuffenhauer, J. Cheminf. 1, 8 (2009).
    """
    from rdkit import Chem

    return float(_scorer().calculateScore(Chem.RemoveHs(mol)))


@cache
def _scorer() -> Any:
    """Return RDKit's script of the SA score, which is no module of its package."""
    from rdkit.Chem import RDConfig

    path = Path(RDConfig.RDContribDir) / "SA_Score/sascorer.py"
    spec = importlib.util.spec_from_file_location("adit_sascorer", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise DataError(f"{path}: RDKit's SA score is missing; reinstall RDKit")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def alerts(mol: Mol) -> list[tuple[str, str]]:
    """Return catalogue and name of each structural alert that the molecule has."""
    from rdkit import Chem

    matches = _catalogue().GetMatches(Chem.RemoveHs(mol))
    entries = [(entry.GetProp("FilterSet"), entry.GetDescription()) for entry in matches]
    return sorted(set(entries))


@cache
def _catalogue() -> Any:
    from rdkit.Chem import FilterCatalog

    catalogue: Any = FilterCatalog
    chosen = catalogue.FilterCatalogParams()
    for name in CATALOGUES:
        chosen.AddCatalog(getattr(catalogue.FilterCatalogParams.FilterCatalogs, name))
    return catalogue.FilterCatalog(chosen)


def nearest(mol: Mol, references: Sequence[AtomicSystem]) -> tuple[float, AtomicSystem] | None:
    """Return the largest Tanimoto similarity (0 to 1) and the molecule of the data; ``None`` if no bonds fit in any.

    The fingerprints are Morgan's with radius 2 and 2048 bits.

    Args:
        mol: a molecule.
        references: systems of the data; crystals are left out.
    """
    from rdkit import Chem, DataStructs
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    mine = generator.GetFingerprint(Chem.RemoveHs(mol))
    best: tuple[float, AtomicSystem] | None = None
    for reference in references:
        if reference.cell is not None:
            continue
        try:
            other = Chem.RemoveHs(convert.to_rdkit(reference))
        except DataError:
            continue
        similarity = float(DataStructs.TanimotoSimilarity(mine, generator.GetFingerprint(other)))
        if best is None or similarity > best[0]:
            best = similarity, reference
    return best


def sdf(mol: Mol, name: str, data: Mapping[str, Any]) -> str:
    """Return the molecule with its geometry, bonds and data fields as the text of an SDF file."""
    from rdkit import Chem

    copy = Chem.Mol(mol)
    copy.SetProp("_Name", " ".join(name.split()))
    fields = "".join(f">  <{key}>\n{value}\n\n" for key, value in data.items())
    return f"{Chem.MolToMolBlock(copy)}{fields}$$$$\n"
