"""QMOF: metal-organic frameworks relaxed with DFT (PBE-D3(BJ)), from the published archive or a Parquet form of it."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from adit import convert
from adit.data.datasets import tables
from adit.data.datasets.records import Dataset, Loaded, Record, hashed_split
from adit.data.sources import mirrors
from adit.data.sources.archives import zip_members
from adit.data.sources.registry import QMOF, QMOF_PARQUET
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind

MAX_ATOMS = 150
"""Largest number of atoms; larger frameworks are dropped, as in the paper's Section 4."""

_SOURCE = "QMOF"


def _load(mirror: str | None) -> Loaded:
    location = mirrors.locate("qmof", (QMOF_PARQUET, QMOF), mirror)
    path = location.paths[location.layout[0].name]
    with mirrors.reading(path):
        records = _from_parquet(path) if location.layout == QMOF_PARQUET else read_archive(path)
    return Loaded(records, location.hashes(), location.origin, location.verified)


def _from_parquet(path: Path) -> list[Record]:
    columns = tables.system_columns(path, "id", periodic=True)

    def framework(row: int) -> AtomicSystem:
        return _checked(columns.system(row, Kind.MOF, {"source": _SOURCE}))

    return [Record(name, hashed_split(name), partial(framework, row)) for row, name in enumerate(columns.ids)]


def read_archive(path: Path) -> list[Record]:
    """Return the records of ``qmof_database.zip``: ``qmof.json`` (band gaps, eV) and ``relaxed_structures/<id>.cif``.

    The archive may hold ``relaxed_structures.zip`` in place of the folder, as published.

    Raises:
        DataError: the archive contains no structures, or a dangerous or too large member.
    """
    properties: dict[str, dict[str, Any]] = {}
    cifs: dict[str, str] = {}
    for name, data in _members(path):
        pure = PurePosixPath(name)
        if pure.name == "qmof.json":
            properties = {str(row["qmof_id"]): row for row in json.loads(data)}
        elif pure.suffix == ".cif" and "relaxed_structures" in pure.parts:
            cifs[pure.stem] = data.decode("utf-8", "replace")
    if not cifs:
        raise DataError(f"{path}: holds no relaxed_structures/*.cif; download it again")
    return [
        Record(name, hashed_split(name), partial(_from_cif, cifs[name], name, properties.get(name, {})))
        for name in sorted(cifs)
    ]


def _members(path: Path) -> list[tuple[str, bytes]]:
    import tempfile

    members: list[tuple[str, bytes]] = []
    for name, data in zip_members(path, (".cif", "qmof.json", "relaxed_structures.zip")):
        if not name.endswith(".zip"):
            members.append((name, data))
            continue
        with tempfile.NamedTemporaryFile(suffix=".zip") as inner:
            inner.write(data)
            inner.flush()
            members += [(f"relaxed_structures/{n}", d) for n, d in zip_members(Path(inner.name), (".cif",))]
    return members


def _from_cif(text: str, name: str, row: dict[str, Any]) -> AtomicSystem:
    info: dict[str, Any] = {"source": _SOURCE}
    band_gap = row.get("outputs", {}).get("pbe", {}).get("bandgap")
    if isinstance(band_gap, (int, float)):
        info["band_gap"] = float(band_gap)
    return _checked(replace(convert.from_cif(text, name, Kind.MOF), info=info))


def _checked(system: AtomicSystem) -> AtomicSystem:
    if len(system) > MAX_ATOMS:
        raise DataError(f"too many atoms: {len(system)}, QMOF is used up to {MAX_ATOMS}")
    if not np.isfinite(system.cell if system.cell is not None else np.nan).all():
        raise DataError("has no cell")
    return system


DATASET = Dataset(
    kind=Kind.MOF,
    source="QMOF, figshare 10.6084/m9.figshare.13147324, at most 150 atoms",
    licence="CC-BY-4.0",
    citation="""@article{Rosen2021,
  doi = {10.1016/j.matt.2021.02.015}, year = {2021}, volume = {4}, number = {5}, pages = {1578--1597},
  author = {Rosen, Andrew S. and Iyer, Shaelyn M. and Ray, Debmalya and Yao, Zhenpeng and Aspuru-Guzik, Al{\\'a}n
    and Gagliardi, Laura and Notestein, Justin M. and Snurr, Randall Q.},
  title = {Machine learning the quantum-chemical properties of metal-organic frameworks for accelerated materials
    discovery}, journal = {Matter}
}""",
    load=_load,
)
