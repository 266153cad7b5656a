"""A user's own dataset: a folder of CIF files, extended XYZ, SDF, Parquet, or a table with a column of CIF texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from adit import convert, store
from adit.config import CustomDataset
from adit.data.datasets import tables
from adit.data.datasets.p1_cif import read_cif
from adit.data.datasets.records import Dataset, Loaded, Record, hashed_split
from adit.data.sources import mirrors
from adit.data.sources.registry import SPLITS
from adit.elements import reduced_formula
from adit.errors import DataError
from adit.outputs.parts import HIDDEN
from adit.systems import AtomicSystem, Kind

Entry = tuple[str, Mapping[str, Any], Callable[[], AtomicSystem]]
"""Id, columns or keys of the row, and what makes the system."""


def dataset(name: str, config: CustomDataset) -> Dataset:
    """Return the dataset that a configuration describes."""
    return Dataset(
        kind=Kind(config.kind),
        source=f"{config.path} ({config.format})",
        licence=config.licence,
        citation=config.citation,
        load=lambda _mirror: _load(name, config),
    )


def files_of(config: CustomDataset) -> list[Path]:
    """Return the files that a dataset is read from, in a fixed order.

    Raises:
        DataError: there is no such file or folder, or the folder holds no CIF.
    """
    path = Path(config.path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder; check data.custom in config/datasets.yaml")
    if config.format != "cif":
        raise DataError(f"{path}: is a folder, but the format is {config.format}; only cif reads folders")
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() == ".cif" and HIDDEN not in file.parts)
    if not found:
        raise DataError(f"{path}: holds no .cif file")
    return found


def _load(name: str, config: CustomDataset) -> Loaded:
    files = files_of(config)
    entries: list[Entry] = []
    for file in files:
        with mirrors.reading(file):
            entries += _READERS[config.format](file, config)
    if not entries:
        raise DataError(f"{config.path}: holds no system of format {config.format}")
    records = [_record(entry, config) for entry in entries]
    root = Path(config.path)
    hashes = {str(f.relative_to(root)) if root.is_dir() else f.name: store.sha256(f) for f in files}
    return Loaded(records, hashes, "your own", dict.fromkeys(hashes, "as given"))


def _record(entry: Entry, config: CustomDataset) -> Record:
    name, values, make = entry
    if config.id and config.id not in values:
        held = ", ".join(map(str, values)) or "none"
        raise DataError(
            f"{config.path}: has no '{config.id}' for ids; columns or keys: {held}; correct id: or leave it out"
        )
    system_id = str(values[config.id]) if config.id else name
    kept = {key: values[key] for key in config.properties if values.get(key) is not None}

    def system() -> AtomicSystem:
        try:
            made = make()
        except DataError as error:
            raise DataError(str(error).removeprefix(f"{name}: ")) from error
        return replace(made, system_id=system_id, kind=Kind(config.kind), info={"source": config.path, **kept})

    return Record(system_id, _split(system_id, values, system, config), system)


def _split(system_id: str, values: Mapping[str, Any], make: Callable[[], AtomicSystem], config: CustomDataset) -> str:
    if config.split.by == "column":
        label = str(values.get(config.split.column, ""))
        label = {"validation": "val", "valid": "val"}.get(label, label)
        if label not in SPLITS:
            raise DataError(
                f"{config.path}: {system_id}: '{label}' in {config.split.column} is no split (train, val, test); "
                "set split.by to formula or id"
            )
        return label
    if config.split.by == "id":
        return hashed_split(system_id)
    try:
        return hashed_split(reduced_formula(make().numbers))
    except (DataError, ArithmeticError, LookupError, TypeError, ValueError):
        return hashed_split(system_id)  # a broken row becomes a row with its reason when it is prepared


# --- formats ----------------------------------------------------------------------------------------------------------


def _cif(path: Path, config: CustomDataset) -> list[Entry]:
    def make() -> AtomicSystem:
        return convert.from_cif(path.read_text(encoding="utf-8", errors="replace"), path.stem, Kind(config.kind))

    name = path.stem if Path(config.path).is_file() else str(path.relative_to(config.path).with_suffix(""))
    return [(name, {}, make)]


def _extxyz(path: Path, config: CustomDataset) -> list[Entry]:
    return [
        (f"{path.stem}-{i}", atoms.info, partial(convert.from_atoms, atoms, f"{path.stem}-{i}", Kind(config.kind)))
        for i, atoms in enumerate(convert.read_extxyz(path))
    ]


def _sdf(path: Path, config: CustomDataset) -> list[Entry]:
    return [
        (f"{path.stem}-{i}", values, partial(convert.from_mol_block, block, f"{path.stem}-{i}"))
        for i, (block, values) in enumerate(convert.read_sdf(path))
    ]


def _csv(path: Path, config: CustomDataset) -> list[Entry]:
    import pandas as pd

    return _rows(pd.read_csv(path).to_dict("records"), path, config)


def _parquet(path: Path, config: CustomDataset) -> list[Entry]:
    import pandas as pd

    frame = pd.read_parquet(path)
    if config.cif in frame.columns:
        return _rows(frame.to_dict("records"), path, config)
    columns = tables.system_columns(path, None, periodic=Kind(config.kind).periodic)
    columns = replace(columns, ids=[f"{path.stem}-{i}" for i in range(len(frame))])
    plain = frame.drop(columns=["atomic_numbers", "positions", "cell"], errors="ignore").to_dict("records")
    return [
        (f"{path.stem}-{i}", values, partial(columns.system, i, Kind(config.kind), {}))
        for i, values in enumerate(plain)
    ]


def _rows(rows: list[dict[str, Any]], path: Path, config: CustomDataset) -> list[Entry]:
    if rows and config.cif not in rows[0]:
        raise DataError(f"{path}: lacks the column '{config.cif}'; set cif: to the column of the CIF texts")
    return [
        (f"{path.stem}-{i}", values, partial(_from_text, values[config.cif], f"{path.stem}-{i}", Kind(config.kind)))
        for i, values in enumerate(rows)
    ]


def _from_text(text: Any, name: str, kind: Kind) -> AtomicSystem:
    if not isinstance(text, str):
        raise DataError(f"{name}: CIF does not parse (the field is empty)")
    return replace(read_cif(text, name), kind=kind)


_READERS: dict[str, Callable[[Path, CustomDataset], list[Entry]]] = {
    "cif": _cif,
    "extxyz": _extxyz,
    "sdf": _sdf,
    "csv": _csv,
    "parquet": _parquet,
}
