"""MP20: 45,229 crystals of the Materials Project with at most 20 atoms, in CDVAE's files and splits."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

from adit.columns import Col
from adit.data.datasets.records import SPLITS, Dataset, Loaded, Record
from adit.data.sources import mirrors
from adit.data.sources.registry import CDVAE_COMMIT, MP20, MP20_COMPRESSED
from adit.errors import DataError
from adit.readers.formats.cif import parse_cif
from adit.systems import AtomicSystem, Kind

_COLUMNS = ("material_id", "cif")
_NUMBERS = {
    Col.FORMATION_ENERGY: str(Col.FORMATION_ENERGY),
    Col.E_ABOVE_HULL: str(Col.E_ABOVE_HULL),
    "band_gap": "band_gap",
    "spacegroup.number": str(Col.SPACEGROUP),
}

LAYOUTS = (MP20_COMPRESSED, MP20)
"""Forms of MP20 by preference: compressed (mirrors), and as published."""


def _load(mirror: str | None) -> Loaded:
    location = mirrors.locate("mp20", LAYOUTS, mirror)
    records: list[Record] = []
    for split, file in zip(SPLITS, location.layout, strict=True):
        records += read_table(location.paths[file.name], split)
    return Loaded(records, location.hashes(), location.origin, location.verified)


def read_table(path: Path, split: str) -> list[Record]:
    """Return the records of one CSV file with CDVAE's columns (``.csv`` or ``.csv.gz``).

    The published properties are in ``info``: formation energy and energy above the hull (eV/atom), band gap (eV), and
    spacegroup number.

    Args:
        path: the file.
        split: split of all its rows.

    Raises:
        DataError: the file is truncated, or lacks a column.
    """
    import pandas as pd

    wanted = {*_COLUMNS, *_NUMBERS, "geometry_source"}
    with mirrors.reading(path):
        frame = pd.read_csv(path, usecols=lambda name: name in wanted, dtype={"material_id": str, "cif": str})
    missing = [name for name in _COLUMNS if name not in frame.columns]
    if missing:
        raise DataError(f"{path}: lacks the column {', '.join(missing)}; MP20 needs CDVAE's columns")
    for column in set(_NUMBERS) & set(frame.columns):
        frame[column] = pd.to_numeric(frame[column], errors="coerce")
    rows = frame.to_dict("records")
    return [Record(str(row["material_id"]), split, partial(_crystal, row)) for row in rows]


def _crystal(row: dict[str, Any]) -> AtomicSystem:
    system_id = str(row["material_id"])
    if not isinstance(row["cif"], str):
        raise DataError(f"{system_id}: CIF does not parse (the field is empty)")
    parsed = parse_cif(row["cif"])
    notes = {"notes": list(parsed.notes)} if parsed.notes else {}
    return parsed.system.labelled(system_id, _info(row) | notes)


def _info(row: dict[str, Any]) -> dict[str, Any]:
    """Return the published properties in a row."""
    info: dict[str, Any] = {"source": f"MP20, {row.get('geometry_source', 'mp20')}"}
    for column, name in _NUMBERS.items():
        value = row.get(column)
        if value is not None and math.isfinite(value):
            info[name] = int(value) if name == Col.SPACEGROUP else float(value)
    return info


DATASET = Dataset(
    kind=Kind.CRYSTAL,
    source=f"MP20, github.com/txie-93/cdvae at {CDVAE_COMMIT[:8]}, data/mp_20; from the Materials Project",
    licence="CC-BY-4.0",
    citation="""@inproceedings{Xie2022,
  title = {Crystal Diffusion Variational Autoencoder for Periodic Material Generation},
  author = {Xie, Tian and Fu, Xiang and Ganea, Octavian-Eugen and Barzilay, Regina and Jaakkola, Tommi},
  booktitle = {International Conference on Learning Representations}, year = {2022}
}
@article{Jain2013,
  doi = {10.1063/1.4812323}, year = {2013}, volume = {1}, number = {1}, pages = {011002},
  author = {Jain, Anubhav and others}, journal = {APL Materials},
  title = {Commentary: The {Materials Project}: A materials genome approach to accelerating materials innovation}
}""",
    load=_load,
)
