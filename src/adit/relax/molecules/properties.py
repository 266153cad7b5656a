"""Properties of a relaxed molecule: electronic ones from GFN2-xTB, and RDKit's descriptors of its bonds."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adit.columns import Col
from adit.convert import Perceived
from adit.relax.molecules.gfn2 import Gfn2, NoEnergyError, free_atom, gfn2_energy

if TYPE_CHECKING:
    from ase import Atoms

DEBYE_PER_E_ANGSTROM = 1 / 0.20819433270935603
"""Dipole moments: debye per e Å. Source: CODATA 2018."""


def electronic(
    atoms: Atoms, charge: int, unpaired: int, energy: float, *, ions: bool
) -> tuple[dict[str, Any], list[str]]:
    """Return column → property of a relaxed geometry by GFN2-xTB, and why others have no value.

    Gap, ionisation energy, electron affinity and atomisation energy are in eV, the dipole moment is in D. Ionisation
    and affinity are vertical: cation, anion and molecule have one geometry. The atomisation energy is that of the free
    atoms in their ground states minus the molecule's, without zero-point energy.

    Args:
        atoms: the molecule with a calculator ``Gfn2`` that has computed this geometry.
        charge: total charge, e.
        unpaired: number of unpaired electrons.
        energy: energy of the geometry, eV.
        ions: whether to compute cation and anion.
    """
    values: dict[str, Any] = {}
    reasons: list[str] = []
    calculator: Gfn2 = atoms.calc
    gap = calculator.gap()
    if gap is not None:
        values[Col.GAP] = gap
    if charge == 0:
        values[Col.DIPOLE] = float(np.linalg.norm(atoms.get_dipole_moment())) * DEBYE_PER_E_ANGSTROM
        try:
            values[Col.ATOMISATION] = sum(free_atom(int(z)) for z in atoms.numbers) - energy
        except NoEnergyError as error:
            reasons.append(f"no {Col.ATOMISATION}: {error}")
    if ions:
        spin = unpaired - 1 if unpaired else 1
        for name, change in ((Col.IONISATION, 1), (Col.AFFINITY, -1)):
            try:
                other = gfn2_energy(atoms.numbers, atoms.positions, charge + change, spin)
                values[name] = change * (other - energy)
            except NoEnergyError as error:
                reasons.append(f"no {name}: {error}")
    return values, reasons


def descriptors(perceived: Perceived) -> dict[str, Any]:
    """Return column → RDKit's descriptor of a molecule; polar surface area in Å², others without unit.

    It is empty if no bonds were perceived, or if there is no atom but hydrogen.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem import QED, Crippen, rdMolDescriptors

    if perceived.mol is None:
        return {}
    with rdBase.BlockLogs():
        mol = Chem.RemoveHs(perceived.mol)
        if not mol.GetNumHeavyAtoms():
            return {}
        return {
            Col.QED: float(QED.qed(mol)),  # type: ignore[no-untyped-call]
            Col.SA_SCORE: float(_sa_scorer().calculateScore(mol)),
            Col.LOGP: float(Crippen.MolLogP(mol)),  # type: ignore[attr-defined]
            Col.TPSA: float(rdMolDescriptors.CalcTPSA(mol)),
            Col.RINGS: int(rdMolDescriptors.CalcNumRings(mol)),
        }


@cache
def _sa_scorer() -> Any:
    """Return RDKit's contributed module of the synthetic accessibility score.

    Source: Ertl and Schuffenhauer, J. Cheminform. 1, 8 (2009).
    """
    from rdkit import RDConfig

    path = Path(RDConfig.RDContribDir) / "SA_Score" / "sascorer.py"
    spec = importlib.util.spec_from_file_location("sascorer", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"{path}: RDKit's SA_Score is not installed")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
