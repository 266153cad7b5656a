"""A user's own dataset: files of any format that the readers know, or a folder or an archive of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from adit import store
from adit.config import CustomDataset
from adit.data.datasets.records import Dataset, Loaded, Record, hashed_split
from adit.data.sources.registry import SPLITS
from adit.elements import reduced_formula
from adit.errors import DataError, as_text, why_no_file
from adit.outputs.parts import HIDDEN
from adit.readers import ReadRow, ReadSettings, as_kind, need_structures, read_structures
from adit.readers.charges import STATE
from adit.readers.formats.labels import label_of
from adit.readers.formats.registry import archive_suffix, format_of
from adit.systems import AtomicSystem, Failure, Kind

FORMATS: Final = {"cif": "CIF", "extxyz": "XYZ", "sdf": "SDF", "parquet": "Parquet", "csv": "CSV"}
"""``format`` of the configuration → name of the readers' format."""

_SPLIT_NAMES: Final = {"validation": "val", "valid": "val"}


def dataset(name: str, config: CustomDataset, reading: ReadSettings | None = None) -> Dataset:
    """Return the dataset that a configuration describes.

    The files are read when ``load`` of the result is called; it raises ``DataError`` if a file is missing or of another
    format, no structure can be read, or a configured column or split does not exist.

    Args:
        name: name of the dataset.
        config: description of the dataset.
        reading: how files are read; ``None``: in this process, with the default limits.
    """
    form = config.format or "formats by suffix"
    return Dataset(
        kind=Kind(config.kind),
        source=f"{config.path} ({form})",
        licence=config.licence,
        citation=config.citation,
        load=lambda _mirror: _load(config, reading or ReadSettings(workers=0)),
    )


def files_of(config: CustomDataset) -> list[Path]:
    """Return the files of a dataset, in a fixed order.

    Raises:
        DataError: the file or folder does not exist, has another format than configured, or holds no file of it.
    """
    path = Path(config.path)
    if path.is_file():
        candidates = format_of(path)
        if config.format and candidates and candidates[0].name != FORMATS[config.format]:
            raise DataError(f"{path}: is {candidates[0].name}, not {config.format}; correct format: or leave it out")
        return [path]
    if not path.is_dir():
        raise DataError(f"{path}: {why_no_file(path, 'file or folder')}; check data.custom in config/datasets.yaml")
    wanted = FORMATS.get(config.format or "")
    held = sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and HIDDEN not in file.parts and archive_suffix(file.name) is None
    )
    known_files = [(file, format_of(file.relative_to(path))) for file in held]
    matching = [file for file, candidates in known_files if candidates and wanted in (None, candidates[0].name)]
    if not matching:
        raise DataError(f"{path}: holds no file of {f'format {config.format}' if config.format else 'a known format'}")
    return matching


def _load(config: CustomDataset, reading: ReadSettings) -> Loaded:
    files = files_of(config)
    cut = replace(
        reading.cut,
        structure_column="" if config.cif == "cif" else config.cif,
        id_column=config.id or "",
        format=FORMATS.get(config.format or "", ""),
    )
    rows = [as_kind(row, Kind(config.kind)) for row in read_structures([Path(config.path)], replace(reading, cut=cut))]
    need_structures(rows)
    _check_labels(rows, config)
    records = [_record(row, config) for row in rows]
    root = Path(config.path)
    names = [str(f.relative_to(root)) if root.is_dir() else f.name for f in files]
    hashes = {as_text(name): store.sha256(f) for name, f in zip(names, files, strict=True)}
    return Loaded(records, hashes, "your own", dict.fromkeys(hashes, "as given"))


def _check_labels(rows: Sequence[ReadRow], config: CustomDataset) -> None:
    """Check that every configured column or key occurs in some row.

    Raises:
        DataError: one does not (the message lists the existing ones), or its numbers have decimal commas.
    """
    good = [row for row in rows if isinstance(row.row, AtomicSystem)] or rows
    held = dict.fromkeys(name for row in good for name in row.properties)
    wanted = {"id": [config.id] if config.id else [], "properties": config.properties}
    for what, names in wanted.items():
        for name in names:
            if name not in held:
                raise DataError(
                    f"{config.path}: has no '{name}' for {what}; columns or keys: {', '.join(held) or 'none'}; "
                    f"correct {what}: or leave it out"
                )
    for name in config.properties:
        commas = [row for row in good if re.fullmatch(r"\s*[+-]?\d+,\d+\s*", str(row.properties.get(name)))]
        if commas:
            value = commas[0].properties[name]
            raise DataError(f"{config.path}: {name} of {commas[0].row.system_id} is '{value}': write a decimal point")


@dataclass(frozen=True)
class _Conversion:
    """Returns the system of a row, or raises the reason of a failure."""

    row: AtomicSystem | Failure

    def __call__(self) -> AtomicSystem:
        if isinstance(self.row, Failure):
            raise DataError(self.row.reason)
        return self.row


def _record(read: ReadRow, config: CustomDataset) -> Record:
    row = read.row
    if config.id and label_text(read.properties.get(config.id)) == "" and isinstance(row, AtomicSystem):
        row = Failure(row.system_id, "read", f"has no '{config.id}', which is its id", row.kind)
    if isinstance(row, AtomicSystem):
        labels = {name: label_of(read.properties.get(name)) for name in config.properties}
        kept = {name: value for name, value in labels.items() if value is not None}
        notes = {"notes": list(read.notes)} if read.notes else {}
        state = {str(name): row.info[name] for name in STATE if row.info.get(name) is not None}
        row = replace(row, info={"source": config.path, **notes, **kept, **state})
    return Record(row.system_id, _split(row, read.properties, config), _Conversion(row))


def label_text(value: Any) -> str:
    """Return a value as text without spaces around it; empty if there is none (``None`` or NaN)."""
    return "" if value is None or value != value else str(value).strip()


def _split(row: AtomicSystem | Failure, values: Mapping[str, Any], config: CustomDataset) -> str:
    if config.split.by == "column":
        label = label_text(values.get(config.split.column))
        label = _SPLIT_NAMES.get(label, label)
        if label in SPLITS:
            return label
        if isinstance(row, Failure):
            return hashed_split(row.system_id)
        raise DataError(
            f"{config.path}: {row.system_id}: '{label}' in {config.split.column} is not a split (train, val, test); "
            "set split.by to formula or id"
        )
    if config.split.by == "id" or isinstance(row, Failure):
        return hashed_split(row.system_id)
    return hashed_split(reduced_formula(row.numbers))
