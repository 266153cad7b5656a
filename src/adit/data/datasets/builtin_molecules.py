"""Built-in molecules: conformers of a list of common organic molecules, and the G2 set."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.resources import files
from typing import Any

from adit import convert
from adit.data.datasets.records import Dataset, Loaded, Record, hashed_split
from adit.errors import DataError
from adit.seeds import derive_seed
from adit.systems import AtomicSystem, Kind

_CITATION = """@article{Riniker2015,
  doi = {10.1021/acs.jcim.5b00654}, year = {2015}, volume = {55}, number = {12}, pages = {2562--2574},
  author = {Riniker, Sereina and Landrum, Gregory A.},
  title = {Better Informed Distance Geometry: Using What We Know To Improve Conformation Generation},
  journal = {Journal of Chemical Information and Modeling}
}
@article{Curtiss1997,
  doi = {10.1063/1.473182}, year = {1997}, volume = {106}, number = {3}, pages = {1063--1079},
  author = {Curtiss, Larry A. and Raghavachari, Krishnan and Redfern, Paul C. and Pople, John A.},
  title = {Assessment of Gaussian-2 and density functional theories for the computation of enthalpies of formation},
  journal = {The Journal of Chemical Physics}
}"""


def smiles_list() -> list[tuple[str, str]]:
    """Return (SMILES, name) of the package's list, one molecule per line."""
    lines = files("adit.data.datasets").joinpath("molecules.smi").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#"))
    return [(pair[0], pair[1].strip() if len(pair) > 1 else pair[0]) for pair in pairs]


def canonical(smiles: str) -> str:
    """Return the canonical SMILES of a molecule, without stereochemistry.

    Raises:
        DataError: RDKit does not read it.
    """
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        raise DataError(f"SMILES does not parse: {smiles}")
    return convert.canonical_smiles(mol)


def conformer(smiles: str, system_id: str, name: str = "") -> AtomicSystem:
    """Return one conformer with hydrogens (ETKDGv3, then MMFF94 where it has parameters), the same one on every call.

    Args:
        smiles: the molecule.
        system_id: id of the system.
        name: name of the molecule, for ``info``.

    Raises:
        DataError: RDKit does not read the SMILES, or finds no conformer.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
        if mol is None:
            raise DataError(f"{system_id}: SMILES does not parse: {smiles}")
        plain = convert.canonical_smiles(mol)
        mol = Chem.AddHs(mol)
        parameters: Any = rdDistGeom.ETKDGv3()
        parameters.randomSeed = derive_seed("conformer", plain) % (1 << 31)
        if rdDistGeom.EmbedMolecule(mol, parameters) != 0:
            raise DataError(f"{system_id}: no conformer found: {smiles}")
        if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
            rdForceFieldHelpers.MMFFOptimizeMolecule(mol, maxIters=2000)
    return convert.from_rdkit(mol, system_id, {"source": "RDKit ETKDGv3 and MMFF94", "name": name, "smiles": plain})


def g2_molecules() -> Iterator[AtomicSystem]:
    """Yield ASE's G2 molecules with paired electrons whose bonds RDKit perceives; atoms and radicals are left out."""
    from ase.collections import g2

    for name in g2.names:
        atoms = g2[name]
        if len(atoms) == 1 or atoms.get_initial_magnetic_moments().any():
            continue
        system = convert.from_atoms(atoms, f"g2-{name}", Kind.MOLECULE)
        try:
            mol = convert.to_rdkit(system)
        except DataError:
            continue
        if any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()):
            continue
        info = {"source": "ASE G2", "name": name, "smiles": convert.canonical_smiles(mol)}
        yield convert.from_atoms(atoms, f"g2-{name}", Kind.MOLECULE, info)


def _load(mirror: str | None) -> Loaded:
    """Return G2's molecules, and a conformer of every listed molecule that is not in G2."""
    g2 = list(g2_molecules())
    held = {system.info["smiles"] for system in g2}
    records = [Record(s.system_id, hashed_split(s.system_id), partial(_itself, s)) for s in g2]
    for smiles, name in smiles_list():
        plain = canonical(smiles)
        if plain not in held:
            held.add(plain)
            system_id = f"smi-{plain}"
            records.append(Record(system_id, hashed_split(system_id), partial(conformer, smiles, system_id, name)))
    return Loaded(records)


def _itself(system: AtomicSystem) -> AtomicSystem:
    return system


DATASET = Dataset(
    kind=Kind.MOLECULE,
    source="RDKit conformers (ETKDGv3, MMFF94) of a list of common organic molecules, and ASE's G2 set",
    licence="MIT (list and conformers), LGPL-2.1-or-later (ASE)",
    citation=_CITATION,
    load=_load,
)
