"""QM9: small organic molecules at B3LYP/6-31G(2df,p), from the published archive or a Parquet form of it."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from adit import seeds
from adit.data import sources
from adit.data.records import Dataset, Loaded, Record
from adit.data.sources import Found, RawFile, Upstream
from adit.elements import ATOMIC_NUMBER
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind

N_PUBLISHED = 133_885
"""Molecules in the published archive, numbered from 1."""

N_CHARACTERIZED = 130_831
"""Molecules that are left without the 3,054 whose geometry does not fit their SMILES."""

N_TRAIN = 100_000

_WHOLE = 120_000
"""From this many molecules on, the set is QM9 (perhaps without fluorine) and no extract of it."""

PARQUET = (RawFile("qm9/qm9_hcno.parquet"),)
ARCHIVE = (
    RawFile(
        "qm9/dsgdb9nsd.xyz.tar.bz2",
        Upstream(
            "https://ndownloader.figshare.com/files/3195389", 86_144_227, "md5", "ad1ebd51ee7f5b3a6e32e974e5d54012"
        ),
    ),
    RawFile(
        "qm9/uncharacterized.txt",
        Upstream("https://ndownloader.figshare.com/files/3195404", 486_752, "md5", "a361887bacb427b8a0ce7903d92a53b4"),
    ),
)


def _load(mirror: str | None) -> Loaded:
    found = sources.locate("qm9", (PARQUET, ARCHIVE), mirror)
    records = _from_parquet(found) if found.layout == PARQUET else _from_archive(found)
    return Loaded(records, found.hashes(), found.origin)


# --- splits -----------------------------------------------------------------------------------------------------------


def splits(indices: Sequence[int]) -> list[str]:
    """Return the split of each molecule: one fixed permutation of all published ones, cut as in EDM.

    The first 100,000 of the molecules at hand in the permutation's order are train, the next tenth of all at hand is
    test, the rest validation; a small extract keeps the proportions.

    Args:
        indices: published numbers, from 1.

    Source: Hoogeboom et al. (2022), after Anderson et al. (2019). Differs: the permutation is this package's own.
    """
    rank = seeds.generator("qm9-split").permutation(N_PUBLISHED)
    total = len(indices)
    n_train = N_TRAIN if total >= _WHOLE else round(total * N_TRAIN / N_CHARACTERIZED)
    n_test = total // 10
    order = np.argsort(rank[np.asarray(indices, dtype=np.int64) - 1], kind="stable")
    labels = np.full(total, "val", dtype="<U5")
    labels[order[:n_train]] = "train"
    labels[order[n_train : n_train + n_test]] = "test"
    return [str(label) for label in labels]


def _index(name: str, path: Path) -> int:
    """Return the published number of ``gdb_<number>``."""
    number = name.removeprefix("gdb_")
    if not number.isdigit() or not 1 <= int(number) <= N_PUBLISHED:
        raise DataError(f"{path}: '{name}' is no id of QM9 (gdb_1 … gdb_{N_PUBLISHED})")
    return int(number)


# --- Parquet ----------------------------------------------------------------------------------------------------------


def _from_parquet(found: Found) -> list[Record]:
    import pyarrow.parquet

    path = found.paths[PARQUET[0].name]
    with sources.reading(path):
        table = pyarrow.parquet.read_table(path)
    missing = [name for name in ("id", "atomic_numbers", "positions") if name not in table.column_names]
    if missing:
        raise DataError(f"{path}: lacks the column {', '.join(missing)}")
    ids = [str(name) for name in table.column("id").to_pylist()]
    numbers, positions = (table.column(name).combine_chunks() for name in ("atomic_numbers", "positions"))
    labels = splits([_index(name, path) for name in ids])

    def molecule(row: int) -> AtomicSystem:
        z, x = (np.asarray(column[row].as_py() or [], dtype=float) for column in (numbers, positions))
        if x.size != 3 * z.size:
            raise DataError(f"{ids[row]}: {z.size} atoms but {x.size} coordinates")
        return _system(ids[row], z.astype(np.int64), x.reshape(-1, 3))

    return [Record(name, labels[row], partial(molecule, row)) for row, name in enumerate(ids)]


def _system(system_id: str, numbers: np.ndarray, positions: np.ndarray) -> AtomicSystem:
    return AtomicSystem(system_id, Kind.MOLECULE, numbers, positions, info={"source": "QM9"})


# --- published archive ------------------------------------------------------------------------------------------------


def _from_archive(found: Found) -> list[Record]:
    archive, excluded = (found.paths[file.name] for file in ARCHIVE)
    drop = read_excluded(excluded)
    with sources.reading(archive):
        texts = {index: text for index, text in _members(archive) if index not in drop}
    indices = sorted(texts)
    labels = splits(indices)
    return [
        Record(f"gdb_{index}", label, partial(read_xyz, texts[index], f"gdb_{index}"))
        for index, label in zip(indices, labels, strict=True)
    ]


def _members(archive: Path) -> list[tuple[int, str]]:
    """Return number and text of each ``dsgdb9nsd_<number>.xyz``."""
    members: list[tuple[int, str]] = []
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            stem = Path(member.name).name.removesuffix(".xyz")
            file = tar.extractfile(member) if stem.startswith("dsgdb9nsd_") else None
            if file is not None:
                members.append(
                    (_index(stem.removeprefix("dsgdb9nsd_"), archive), file.read().decode("ascii", "replace"))
                )
    return members


def read_excluded(path: Path) -> frozenset[int]:
    """Return the published numbers of ``uncharacterized.txt``: the first field of every row that is a number."""
    with sources.reading(path):
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    first = (line.split(maxsplit=1)[0] for line in lines if line.strip())
    return frozenset(int(field) for field in first if field.isdigit())


def read_xyz(text: str, system_id: str) -> AtomicSystem:
    """Return the molecule of QM9's extended XYZ; floats may be written ``6.2*^-7``.

    Raises:
        DataError: the text is no such file.
    """
    lines = text.splitlines()
    try:
        n = int(lines[0])
        rows = [line.replace("*^", "e").split()[:4] for line in lines[2 : 2 + n]]
        numbers = np.array([ATOMIC_NUMBER[row[0]] for row in rows])
        positions = np.array([[float(value) for value in row[1:]] for row in rows])
    except (ValueError, IndexError, KeyError) as error:
        raise DataError(f"{system_id}: XYZ does not parse ({error})") from error
    if positions.shape != (n, 3):
        raise DataError(f"{system_id}: XYZ is cut short ({len(rows)} of {n} atoms)")
    return _system(system_id, numbers, positions)


DATASET = Dataset(
    kind=Kind.MOLECULE,
    source="QM9, figshare 10.6084/m9.figshare.978904, without the 3,054 uncharacterized molecules",
    licence="CC0",
    citation="""@article{Ramakrishnan2014,
  doi = {10.1038/sdata.2014.22}, year = {2014}, volume = {1}, pages = {140022}, journal = {Scientific Data},
  author = {Ramakrishnan, Raghunathan and Dral, Pavlo O. and Rupp, Matthias and von Lilienfeld, O. Anatole},
  title = {Quantum chemistry structures and properties of 134 kilo molecules}
}""",
    load=_load,
)
