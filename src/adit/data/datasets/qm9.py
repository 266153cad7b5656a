"""QM9: small organic molecules at B3LYP/6-31G(2df,p), from the published archive or a Parquet form of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from adit import seeds
from adit.data.datasets import tables
from adit.data.datasets.records import Dataset, Dropped, Loaded, Record
from adit.data.sources import mirrors
from adit.data.sources.archives import tar_members
from adit.data.sources.mirrors import Location
from adit.data.sources.registry import QM9, QM9_PARQUET
from adit.elements import ATOMIC_NUMBER
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind

N_PUBLISHED = 133_885
"""Number of molecules in the published archive; they are numbered from 1."""

N_CHARACTERIZED = 130_831
"""Number of molecules without the 3,054 whose geometry does not fit their SMILES."""

N_TRAIN = 100_000
"""Number of training molecules, as in EDM."""

UNCHARACTERIZED = "uncharacterized: its relaxed geometry does not fit its SMILES, by the publication's own list"
"""Reason of a molecule that is left out."""

PROPERTIES = ("mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G", "Cv")
"""Published properties, in the order of the comment line after the rotational constants. Units as published: D (mu),
a0³ (alpha), a0² (r2), cal/(mol K) (Cv), Ha (the others)."""

_WHOLE = 120_000
"""A set with at least so many molecules is QM9 (perhaps without fluorine), not an extract."""


def _load(mirror: str | None) -> Loaded:
    location = mirrors.locate("qm9", (QM9_PARQUET, QM9), mirror)
    records, dropped = (_from_parquet(location), []) if location.layout == QM9_PARQUET else _from_archive(location)
    return Loaded(records, location.hashes(), location.origin, location.verified, dropped)


# --- splits -----------------------------------------------------------------------------------------------------------


def splits(indices: Sequence[int]) -> list[str]:
    """Return the split of each molecule: a fixed permutation of all published molecules, split as in EDM.

    In the order of the permutation, the first 100,000 of the given molecules are train, the next tenth test, and the
    rest validation; a small extract keeps the proportions.

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
        raise DataError(f"{path}: '{name}' is not an id of QM9 (gdb_1 … gdb_{N_PUBLISHED})")
    return int(number)


# --- Parquet ----------------------------------------------------------------------------------------------------------


def _from_parquet(location: Location) -> list[Record]:
    path = location.paths[QM9_PARQUET[0].name]
    with mirrors.reading(path):
        columns = tables.system_columns(path, "id", periodic=False)
    labels = splits([_index(name, path) for name in columns.ids])

    def molecule(row: int) -> AtomicSystem:
        return columns.system(row, Kind.MOLECULE, {"source": "QM9"})

    return [Record(name, labels[row], partial(molecule, row)) for row, name in enumerate(columns.ids)]


# --- published archive ------------------------------------------------------------------------------------------------


def _from_archive(location: Location) -> tuple[list[Record], list[Dropped]]:
    archive, excluded = (location.paths[file.name] for file in QM9)
    drop = read_excluded(excluded)
    with mirrors.reading(archive):
        texts = dict(_members(archive))
    indices = sorted(texts.keys() - drop)
    labels = splits(indices)
    records = [
        Record(f"gdb_{index}", label, partial(read_xyz, texts[index], f"gdb_{index}"))
        for index, label in zip(indices, labels, strict=True)
    ]
    return records, [Dropped(f"gdb_{index}", UNCHARACTERIZED) for index in sorted(texts.keys() & drop)]


def _members(archive: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of each ``dsgdb9nsd_<number>.xyz``."""
    for name, data in tar_members(archive):
        stem = Path(name).name.removesuffix(".xyz")
        if stem.startswith("dsgdb9nsd_"):
            yield _index("gdb_" + stem.removeprefix("dsgdb9nsd_"), archive), data.decode("ascii", "replace")


def read_excluded(path: Path) -> frozenset[int]:
    """Return the published numbers in the rows of ``uncharacterized.txt``; its other lines are skipped.

    Raises:
        DataError: the file cannot be read.
    """
    with mirrors.reading(path):
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    rows = (line.split() for line in lines)
    return frozenset(int(row[0]) for row in rows if len(row) > 2 and row[0].isdigit())


def read_xyz(text: str, system_id: str) -> AtomicSystem:
    """Return the molecule (Å) of a file of QM9, an extended XYZ whose floats may be written ``6.2*^-7``.

    Its properties are in ``info``, in the units of ``PROPERTIES``.

    Raises:
        DataError: the text is not such a file, or is truncated.
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
    return AtomicSystem(system_id, Kind.MOLECULE, numbers, positions, info={"source": "QM9", **_properties(lines[1])})


def _properties(comment: str) -> dict[str, float]:
    """Return the properties of a comment line (tag, number, A, B, C, then ``PROPERTIES``); empty for another line."""
    fields = comment.replace("*^", "e").split()[5:]
    try:
        values = [float(field) for field in fields]
    except ValueError:
        return {}
    return dict(zip(PROPERTIES, values, strict=True)) if len(values) == len(PROPERTIES) else {}


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
