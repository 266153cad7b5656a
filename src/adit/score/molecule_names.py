"""Canonical names of molecules, by which uniqueness and novelty are told."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from adit import convert
from adit.errors import DataError
from adit.isolate import map_isolated
from adit.progress import Progress
from adit.systems import AtomicSystem


@dataclass(frozen=True)
class MoleculeNames:
    """Names of one strictly valid molecule.

    Attributes:
        smiles: canonical SMILES without stereochemistry.
        stereo_smiles: canonical SMILES with the stereochemistry of the geometry.
        inchikey: standard InChIKey; knows stereochemistry, and takes mobile hydrogens (tautomers) for the same.
    """

    smiles: str
    stereo_smiles: str
    inchikey: str


@dataclass(frozen=True)
class KnownNames:
    """Names of the training molecules.

    Attributes:
        smiles: their canonical SMILES.
        stereo_smiles: with stereochemistry.
        inchikeys: their InChIKeys.
    """

    smiles: AbstractSet[str] = field(default_factory=frozenset)
    stereo_smiles: AbstractSet[str] = field(default_factory=frozenset)
    inchikeys: AbstractSet[str] = field(default_factory=frozenset)


def names_of(mol: Any) -> MoleculeNames:
    """Return the names of a sanitised RDKit molecule with a conformer."""
    stereo = convert.with_stereo(mol)
    return MoleculeNames(
        convert.canonical_smiles(mol), convert.canonical_smiles(stereo, True), convert.inchikey(stereo)
    )


def geometry_names(system: AtomicSystem) -> MoleculeNames | None:
    """Return the names of a molecule whose bonds come from its geometry, ``None`` where no bonding fits."""
    try:
        return names_of(convert.to_rdkit(system, charge=0))
    except DataError:
        return None


def known_names(systems: Sequence[AtomicSystem], *, workers: int, wall_limit_s: float) -> KnownNames:
    """Return the names of the training molecules; one without a bonding, or past the limit, has none.

    Args:
        systems: training molecules.
        workers: processes at most.
        wall_limit_s: wall time of one molecule, s.
    """
    progress = Progress("training molecules named", len(systems))
    outcomes = map_isolated(
        geometry_names,
        systems,
        workers=workers,
        wall_limit_s=wall_limit_s,
        on_result=lambda _, __: progress.update(),
    )
    found = [outcome.value for outcome in outcomes if outcome.status == "ok" and outcome.value is not None]
    return KnownNames(
        frozenset(names.smiles for names in found),
        frozenset(names.stereo_smiles for names in found),
        frozenset(names.inchikey for names in found),
    )
