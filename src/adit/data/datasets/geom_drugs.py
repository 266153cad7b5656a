"""GEOM-DRUGS: drug-like molecules with conformers at GFN2-xTB; the lowest-energy conformer of each is used."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from adit import convert, store
from adit.data.datasets import tables
from adit.data.datasets.records import Dataset, Loaded, Record, charge_info, hashed_split
from adit.data.sources import mirrors
from adit.data.sources.archives import tar_members, unpickle
from adit.data.sources.registry import GEOM_DRUGS, GEOM_DRUGS_MSGPACK
from adit.errors import DataError
from adit.progress import Progress
from adit.systems import AtomicSystem, Kind

RDKIT_CLASSES = frozenset({("rdkit.Chem.rdchem", "Mol"), ("rdkit.Chem", "Mol")})
"""(Module, name) of the only classes that a pickle of the archive may create."""

_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("atomic_numbers", pa.list_(pa.uint8())),
        ("positions", pa.list_(pa.float32())),
        ("problem", pa.string()),
    ]
)

Conformer = tuple[str, np.ndarray, np.ndarray]
"""SMILES, atomic numbers (n,), positions (n, 3) in Å."""

Problem = tuple[str, str]
"""SMILES, or the name of the file in the archive; why it has no conformer."""


def _load(mirror: str | None) -> Loaded:
    location = mirrors.locate("geom-drugs", (GEOM_DRUGS_MSGPACK, GEOM_DRUGS), mirror)
    path = location.paths[location.layout[0].name]
    hashes = location.hashes()
    lowest = mirrors.cache_folder() / "geom" / f"lowest-{hashes[location.layout[0].name][:16]}.parquet"
    if not lowest.is_file():
        with mirrors.reading(path):
            conformers = from_msgpack(path) if location.layout == GEOM_DRUGS_MSGPACK else from_pickles(path)
            _write_lowest(lowest, conformers)
    columns = tables.system_columns(lowest, "id", periodic=False)
    problems = _problems(lowest)

    def molecule(row: int) -> AtomicSystem:
        smiles = columns.ids[row]
        if problems[row] is not None:
            raise DataError(f"{smiles}: {problems[row]}")
        return columns.system(row, Kind.MOLECULE, {"source": "GEOM-DRUGS", "smiles": smiles, **charge_info(smiles)})

    records = [Record(name, hashed_split(name), partial(molecule, row)) for row, name in enumerate(columns.ids)]
    return Loaded(records, hashes, location.origin, location.verified)


def _problems(path: Path) -> list[str | None]:
    """Return why a row has no molecule; ``None`` if it has one. Tables of earlier versions have no such rows."""
    table = pyarrow.parquet.read_table(path)
    if "problem" not in table.column_names:
        return [None] * len(table)
    problems: list[str | None] = table.column("problem").to_pylist()
    return problems


def _write_lowest(path: Path, conformers: Iterator[Conformer | Problem]) -> None:
    """Write the conformers as Parquet, a few thousand at a time, since the archive is much larger than the memory."""
    progress = Progress("molecules of GEOM-DRUGS read", 304_466)
    with store.parquet_writer(path, _SCHEMA) as write:
        rows: list[dict[str, Any]] = []
        for conformer in conformers:
            rows.append(_row(conformer))
            progress.update()
            if len(rows) == 4096:
                write(pa.Table.from_pylist(rows, schema=_SCHEMA))
                rows = []
        write(pa.Table.from_pylist(rows, schema=_SCHEMA))


def _row(conformer: Conformer | Problem) -> dict[str, Any]:
    if len(conformer) == 2:
        return {"id": conformer[0], "atomic_numbers": [], "positions": [], "problem": conformer[1]}
    smiles, numbers, positions = conformer
    return {"id": smiles, "atomic_numbers": numbers, "positions": positions.ravel(), "problem": None}


def from_pickles(archive: Path) -> Iterator[Conformer | Problem]:
    """Yield the lowest conformers of ``rdkit_folder.tar.gz``: ``rdkit_folder/drugs/<name>.pickle``.

    Each pickle is a mapping with ``smiles`` and ``conformers``, a list of mappings with ``rd_mol`` and ``totalenergy``
    (Ha). The archive's checksum has been verified; pickles may create RDKit molecules only.

    Raises:
        DataError: the archive has no such pickle, or a pickle needs another class.
    """
    any_member = False
    for name, data in tar_members(archive):
        if "/drugs/" not in f"/{name}" or not name.endswith(".pickle"):
            continue
        any_member = True
        entry = unpickle(data, RDKIT_CLASSES, f"{archive}: {name}")
        smiles = entry.get("smiles") if isinstance(entry, Mapping) else None
        yield _conformer(str(smiles or Path(name).stem), entry, _of_rdkit)
    if not any_member:
        raise DataError(f"{archive}: holds no drugs/*.pickle; download it again")


def from_msgpack(path: Path) -> Iterator[Conformer | Problem]:
    """Yield the lowest conformers of ``drugs_crude.msgpack.gz``: mappings of SMILES to conformers.

    Each conformer has ``xyz``, rows of atomic number and coordinates in Å, and ``totalenergy`` (Ha).
    """
    import msgpack

    with gzip.open(path) as file:
        for batch in msgpack.Unpacker(file, raw=False, strict_map_key=False):
            for smiles, entry in batch.items():
                yield _conformer(str(smiles), entry, _of_xyz)


def _conformer(
    smiles: str, entry: Any, read: Callable[[str, Mapping[str, Any]], tuple[np.ndarray, np.ndarray]]
) -> Conformer | Problem:
    """Return the lowest conformer of a published molecule, or why it has none."""
    try:
        return (smiles, *read(smiles, _lowest(entry["conformers"], "totalenergy")))
    except DataError as error:
        return smiles, str(error).removeprefix(f"{smiles}: ")
    except KeyError as error:
        return smiles, f"its record has no {error}"
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        return smiles, f"its record does not parse ({type(error).__name__}: {error})"


def _of_rdkit(smiles: str, conformer: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return atomic numbers (n,) and positions (n, 3) in Å of a conformer with an RDKit molecule."""
    system = convert.from_rdkit(conformer["rd_mol"], smiles)
    return system.numbers, system.positions


def _of_xyz(_smiles: str, conformer: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return atomic numbers (n,) and positions (n, 3) in Å of a conformer with rows of numbers."""
    xyz = np.asarray(conformer["xyz"], dtype=float)
    numbers, positions = xyz[:, 0].astype(np.int64), xyz[:, 1:4]
    if positions.shape[1] != 3 or not ((numbers > 0) & (numbers < 119)).all():
        raise DataError("its rows are no atomic numbers with coordinates")
    return numbers, positions


def _lowest(conformers: list[Mapping[str, Any]], key: str) -> Mapping[str, Any]:
    if not conformers:
        raise DataError("has no conformer")
    return min(conformers, key=lambda conformer: float(conformer.get(key, math.inf)))


DATASET = Dataset(
    kind=Kind.MOLECULE,
    source="GEOM-DRUGS, Harvard Dataverse 10.7910/DVN/JNGTDF, lowest-energy conformers",
    licence="CC0",
    citation="""@article{Axelrod2022,
  doi = {10.1038/s41597-022-01288-4}, year = {2022}, volume = {9}, pages = {185}, journal = {Scientific Data},
  author = {Axelrod, Simon and G{\\'o}mez-Bombarelli, Rafael},
  title = {{GEOM}, energy-annotated molecular conformations for property prediction and molecular generation}
}""",
    load=_load,
)
