"""Charge, unpaired electrons, names and validity of a molecule, perceived from its geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from adit.columns import Col
from adit.convert.rdkit import canonical_smiles, inchikey, strict_problem, to_rdkit, to_sdf_entry, to_xyz, with_stereo
from adit.elements import covalent_radii
from adit.errors import DataError
from adit.systems import AtomicSystem

if TYPE_CHECKING:
    from rdkit.Chem import Mol

CHALCOGENS: Final = frozenset({8, 16, 34, 52})
"""Atomic numbers of O, S, Se, Te: a molecule of two of them has two electrons in two degenerate π* orbitals.

Source: Huber and Herzberg, Constants of Diatomic Molecules (1979): ground states ³Σ⁻ of O2, SO, S2, Se2.
"""

REACH: Final = 1.3
"""Largest ratio of a distance to the sum of the covalent radii within a fragment."""


@dataclass(frozen=True)
class Perceived:
    """A molecule with what was perceived from its geometry.

    Attributes:
        mol: RDKit molecule with bonds and a conformer; ``None`` if no bonds could be assigned.
        charge: total charge, e.
        unpaired: number of unpaired electrons; without bonds, the lowest one that the number of electrons allows.
        smiles: canonical SMILES without stereochemistry; empty without bonds.
        inchikey: standard InChIKey with the stereochemistry of the geometry; empty without bonds.
        fragments: number of groups of atoms within bonding distance.
        problem: why it is not strictly valid (neutral, connected, no radical, all hydrogens); empty if it is.
    """

    mol: Mol | None
    charge: int
    unpaired: int
    smiles: str
    inchikey: str
    fragments: int
    problem: str

    @property
    def valid(self) -> bool:
        """Return whether the molecule is strictly valid, as in the scores."""
        return not self.problem


def perceive(system: AtomicSystem, charge: int | None = None) -> Perceived:
    """Return a molecule as perceived: neutral with paired electrons if possible, else a radical, a cation, an anion.

    If no bonds can be assigned, or the system has too many atoms, ``mol`` is ``None`` and ``problem`` says why.

    Args:
        system: a molecule; ``info`` may have its charge (e) and number of unpaired electrons.
        charge: total charge, e; ``None``: that of ``info``, or else perceived.
    """
    from rdkit import rdBase

    given, spin = system.info.get(Col.CHARGE) if charge is None else charge, system.info.get(Col.UNPAIRED)
    usual = [(0, True), (0, False), (1, True), (-1, True)]
    tries = usual if given is None else [(int(given), True), (int(given), False)]
    problem = ""
    for total, charged_atoms in tries:
        try:
            mol = to_rdkit(system, total, charged_atoms=charged_atoms)
        except DataError as error:
            problem = problem or str(error).removeprefix(f"{system.system_id}: ")
            continue
        unpaired = _unpaired(system, mol, total) if spin is None else int(spin)
        if (int(system.numbers.sum()) - total - unpaired) % 2 == 0:
            why = strict_problem(mol) or (f"charge {total:+d}" if total else "")
            with rdBase.BlockLogs():
                names = canonical_smiles(mol), inchikey(with_stereo(mol))
            return Perceived(mol, total, unpaired, *names, fragments(system), why)
    total = int(given or 0)
    unpaired = _fewest(system, total) if spin is None else int(spin)
    return Perceived(None, total, unpaired, "", "", fragments(system), problem or "no bonding fits")


def _fewest(system: AtomicSystem, charge: int) -> int:
    return (int(system.numbers.sum()) - charge) % 2


def _unpaired(system: AtomicSystem, mol: Mol, charge: int) -> int:
    """Return the number of unpaired electrons; those of several atoms are paired as far as possible."""
    if len(system) == 1:
        return _unpaired_of_atom(int(system.numbers[0]), charge)
    if len(system) == 2 and charge == 0 and set(map(int, system.numbers)) <= CHALCOGENS and mol.GetNumBonds():
        return 2  # the ground state of O2, SO, S2, … is a triplet
    radicals = [n for atom in mol.GetAtoms() if (n := atom.GetNumRadicalElectrons())]
    return radicals[0] if len(radicals) == 1 else _fewest(system, charge)


def _unpaired_of_atom(number: int, charge: int) -> int:
    from ase.data import ground_state_magnetic_moments

    electrons = number - charge
    if not 0 < electrons < len(ground_state_magnetic_moments):
        return electrons % 2
    return round(float(ground_state_magnetic_moments[electrons]))


def fragments(system: AtomicSystem) -> int:
    """Return the number of groups of atoms that are within bonding distance of each other."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    radii = covalent_radii()[system.numbers]
    pairs = cKDTree(system.positions).query_pairs(2 * REACH * float(radii.max()), output_type="ndarray")
    one, other = pairs[:, 0], pairs[:, 1]
    close = np.linalg.norm(system.positions[one] - system.positions[other], axis=1) < REACH * (
        radii[one] + radii[other]
    )
    n = len(system)
    graph = coo_array((np.ones(int(close.sum())), (one[close], other[close])), shape=(n, n))
    return int(connected_components(graph, directed=False)[0])


def to_sdf(system: AtomicSystem) -> str:
    """Return a molecule as one entry of an SDF file, with perceived bonds, or without bonds if none can be assigned."""
    from rdkit import Chem, rdBase

    perceived = perceive(system)
    with rdBase.BlockLogs():
        mol = perceived.mol if perceived.mol is not None else Chem.MolFromXYZBlock(to_xyz(system))
    fields = {name: value for name, value in system.info.items() if isinstance(value, (int, float, str))}
    return to_sdf_entry(mol, system.system_id, fields)
