"""Strain: energy of a relaxed molecule above the lowest of its conformers.

Source: Riniker and Landrum, J. Chem. Inf. Model. 55, 2562 (2015) (ETKDG).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adit import convert
from adit.columns import Col
from adit.convert import Perceived, perceive
from adit.relax.molecules.gfn2 import Gfn2, NoEnergyError
from adit.relax.molecules.settings import MoleculeLimits

if TYPE_CHECKING:
    from adit.systems import AtomicSystem

SEED = 1
"""Seed of the embedding: the same molecule has the same conformers."""


def lowest_conformer(perceived: Perceived, energy: float, limits: MoleculeLimits) -> dict[str, Any]:
    """Return the strain (eV) and the number of conformers that were compared, by column.

    Conformers of the same bonds and stereochemistry are embedded with ETKDG and relaxed with GFN2-xTB to the limits of
    the molecule itself; one whose bonds change is left out. The molecule's own geometry counts too, so the strain is
    never negative. Without any other conformer there is no strain.

    Args:
        perceived: the relaxed molecule.
        energy: energy of the relaxed molecule, eV.
        limits: number of conformers, and limits of their relaxation.
    """
    energies = [
        value for system in _embedded(perceived, limits.conformers) if (value := _energy(system, perceived, limits))
    ]
    values: dict[str, Any] = {Col.CONFORMERS: len(energies)}
    return {**values, Col.STRAIN: energy - min(energy, *energies)} if energies else values


def _embedded(perceived: Perceived, count: int) -> list[AtomicSystem]:
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDistGeom

    mol = Chem.Mol(convert.with_stereo(perceived.mol))  # type: ignore[arg-type]
    options: Any = rdDistGeom.ETKDGv3()
    options.randomSeed = SEED
    with rdBase.BlockLogs():
        ids = list(rdDistGeom.EmbedMultipleConfs(mol, count, options))
    return [convert.from_rdkit(mol, f"conformer-{i}", {Col.CHARGE: perceived.charge}, conformer=i) for i in ids]


def _energy(system: AtomicSystem, perceived: Perceived, limits: MoleculeLimits) -> float | None:
    """Return the energy of a relaxed conformer (eV); ``None`` if it has none or is another molecule."""
    from ase.optimize import LBFGS

    atoms = convert.to_atoms(system)
    atoms.calc = Gfn2(perceived.charge, perceived.unpaired)
    try:
        if not LBFGS(atoms, logfile=None).run(fmax=limits.fmax, steps=limits.max_steps):
            return None
        energy = float(atoms.get_potential_energy())
    except NoEnergyError:
        return None
    relaxed = convert.from_atoms(atoms, system.system_id, system.kind)
    return energy if perceive(relaxed, perceived.charge).inchikey == perceived.inchikey else None
