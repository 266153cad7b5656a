"""Drug-like conformers from a mirror, a substitute for GEOM-DRUGS: an SDF file with explicit hydrogens."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from adit import convert
from adit.data.datasets.records import Dataset, Loaded, Record, charge_info, hashed_split
from adit.data.sources import mirrors
from adit.data.sources.registry import DRUGLIKE
from adit.systems import AtomicSystem, Kind


def _load(mirror: str | None) -> Loaded:
    location = mirrors.locate("druglike", (DRUGLIKE,), mirror)
    path = location.paths[DRUGLIKE[0].name]
    with mirrors.reading(path):
        records = read_blocks(path)
    return Loaded(records, location.hashes(), location.origin, location.verified)


def read_blocks(path: Path) -> list[Record]:
    """Return one record per conformer of an SDF file; all conformers of a molecule are in the same split."""
    records = []
    for row, (block, _) in enumerate(convert.read_sdf(path)):
        name = f"druglike-{row}"
        smiles = convert.smiles_of_block(block)
        records.append(Record(name, hashed_split(smiles or name), partial(_molecule, block, name, smiles)))
    return records


def _molecule(block: str, name: str, smiles: str | None) -> AtomicSystem:
    info = {"source": "conformer-benchmark", "smiles": smiles, **charge_info(smiles or "")}
    return convert.from_mol_block(block, name, info)


DATASET = Dataset(
    kind=Kind.MOLECULE,
    source="drug-like conformers, github.com/ghutchis/conformer-benchmark at 0109c8ec",
    licence="MIT",
    citation="""@article{Folmsbee2021,
  doi = {10.1002/qua.26381}, year = {2021}, volume = {121}, number = {1}, pages = {e26381},
  author = {Folmsbee, Dakota and Hutchison, Geoffrey}, journal = {International Journal of Quantum Chemistry},
  title = {Assessing conformer energies using electronic structure and machine learning methods}
}""",
    load=_load,
)
