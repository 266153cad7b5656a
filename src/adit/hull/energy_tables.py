"""Tables of energies to place on a hull: of `adit relax`, tables like them, or structures with an energy each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from adit import store
from adit.columns import Col
from adit.elements import composition, hill
from adit.errors import ConfigError, DataError
from adit.hull.energy_tags import MP2020_TAG
from adit.progress import log
from adit.readers import ReadRow, ReadSettings, read_structures
from adit.readers.formats.labels import label_of
from adit.readers.formulas import parse_formula
from adit.readers.joins import identity_of, identity_of_record, join_ids, need_unique
from adit.systems import AtomicSystem, Failure

_PER_ATOM: Final = Col.ENERGY_PER_ATOM
_TOTAL: Final = Col.ENERGY


@dataclass(frozen=True)
class EnergyTable:
    """Energies of some structures.

    Attributes:
        path: of the table, or of the file of structures.
        frame: one row per structure: system_id, energy_per_atom (eV/atom), energy_tag, status, reason, and
            formula if there are no structures.
        structures: systems and failures by id; empty if the column ``formula`` replaces them.
    """

    path: Path
    frame: Any
    structures: Mapping[str, AtomicSystem | Failure]


def read_energy_tables(
    paths: Sequence[Path], energy_tag: str | None, reading: ReadSettings | None = None
) -> list[EnergyTable]:
    """Read tables, or files of structures with a key, column or data field ``energy_per_atom`` or ``energy``.

    Args:
        paths: Parquet and CSV tables, or files of any format that the readers know.
        energy_tag: method of energies whose table does not name it.
        reading: how files of structures are read.

    Raises:
        DataError: a file is missing or holds no energies.
        ConfigError: an id occurs twice, or a table and its structures contradict each other.
    """
    tables = [_read(path, energy_tag, reading) for path in paths]
    ids = [str(system_id) for table in tables for system_id in table.frame[Col.SYSTEM_ID]]
    need_unique(ids, ", ".join(map(str, paths))[:200])
    return tables


def _read(path: Path, energy_tag: str | None, reading: ReadSettings | None) -> EnergyTable:
    if path.suffix not in (".parquet", ".csv"):
        return _of_structures(path, energy_tag, reading)
    frame = store.read_frame(path)
    if _PER_ATOM not in frame or Col.SYSTEM_ID not in frame:
        return _of_structures(path, energy_tag, reading, list(map(str, frame.columns)))
    _add_tag(frame, path, energy_tag)
    for name, value in ((Col.STATUS, "converged"), (Col.REASON, "")):
        if name not in frame:
            frame[name] = value
    beside = path.with_suffix(".arrow")
    if Col.FORMULA not in frame and not beside.is_file():
        raise DataError(f"{path}: has no column formula, and no structures lie beside it ({path.stem}.arrow)")
    frame = frame.astype({Col.SYSTEM_ID: str})
    structures = {row.system_id: row for row in store.read_systems(beside)} if beside.is_file() else {}
    _check_structures(path, frame, structures)
    return EnergyTable(path, frame, structures)


def _add_tag(frame: Any, path: Path, energy_tag: str | None) -> None:
    if Col.ENERGY_TAG not in frame:
        if energy_tag is None:
            raise DataError(f"{path}: does not say whose energies it holds; give --energy-tag, e.g. '{MP2020_TAG}'")
        frame[Col.ENERGY_TAG] = energy_tag


def _check_structures(path: Path, frame: Any, structures: Mapping[str, AtomicSystem | Failure]) -> None:
    """Check that the structures beside a table are those of its rows.

    Raises:
        ConfigError: no id is the same, or a structure has another composition or number of atoms.
    """
    if structures:
        rows = {str(record[Col.SYSTEM_ID]): identity_of_record(record) for record in frame.to_dict("records")}
        met = join_ids({key: identity_of(row) for key, row in structures.items()}, rows, str(path))
        if other := [key for key, ours in met.items() if key != ours]:
            raise ConfigError(f"{path.with_suffix('.arrow')}: has other ids than the table beside it (e.g. {other[0]})")


def _of_structures(
    path: Path, energy_tag: str | None, reading: ReadSettings | None, columns: Sequence[str] = ()
) -> EnergyTable:
    """Return the energies in a file of structures."""
    import pandas as pd

    try:
        rows = read_structures([path], reading)
    except DataError as error:
        if not columns:
            raise
        missing = next(name for name in (Col.SYSTEM_ID, _PER_ATOM) if name not in columns)
        raise DataError(
            f"{path}: has no column {missing}; give the table of `adit relax`, or one like it (or structures with "
            f"their energies: {error})"
        ) from error
    records = [_record(row) for row in rows]
    if all(record[Col.STATUS] == "converged" and math.isnan(record[_PER_ATOM]) for record in records):
        held = dict.fromkeys(name for row in rows for name in row.properties)
        raise DataError(
            f"{path}: its structures have no {_PER_ATOM} and no {_TOTAL}; columns or keys: {', '.join(held) or 'none'}"
        )
    frame = pd.DataFrame(records)
    _add_tag(frame, path, energy_tag)
    log.info("%s: energies of %d structures, eV (%s) or eV/atom (%s)", path, len(rows), _TOTAL, _PER_ATOM)
    return EnergyTable(path, frame, {row.row.system_id: row.row for row in rows})


def _record(read: ReadRow) -> dict[str, Any]:
    row = read.row
    if isinstance(row, Failure):
        record: dict[str, Any] = {
            Col.STATUS: "failed",
            Col.REASON: f"{row.stage}: {row.reason}",
            _PER_ATOM: math.nan,
            Col.FORMULA: "",
        }
    else:
        values = [label_of(read.properties.get(name)) for name in (_PER_ATOM, _TOTAL)]
        per_atom, total = (float(v) if isinstance(v, (int, float)) else math.nan for v in values)
        energy = per_atom if not math.isnan(per_atom) else total / len(row)
        reason = "" if not math.isnan(energy) else "no energy"
        record = {
            Col.STATUS: "converged",
            Col.REASON: reason,
            _PER_ATOM: energy,
            Col.FORMULA: hill(composition(row.numbers)),
        }
    tag = label_of(read.properties.get(Col.ENERGY_TAG))
    return {Col.SYSTEM_ID: row.system_id, **record} | ({Col.ENERGY_TAG: str(tag)} if tag is not None else {})


def counts_of(record: Mapping[str, Any], structures: Mapping[str, Any]) -> dict[str, float] | str:
    """Return the composition of a row (atoms of each element), or the reason why there is none."""
    structure = structures.get(record[Col.SYSTEM_ID])
    if isinstance(structure, AtomicSystem):
        return {element: float(count) for element, count in composition(structure.numbers).items()}
    formula = record.get(Col.FORMULA)
    if not isinstance(formula, str) or not formula:
        return "relaxed structure is missing"
    try:
        return parse_formula(formula)
    except DataError as error:
        return str(error)


def identity_columns(
    record: Mapping[str, Any], counts: Mapping[str, float] | str, structures: Mapping[str, Any]
) -> dict[str, Any]:
    """Return formula and number of atoms of a row; joins with its structure are checked with them."""
    structure = structures.get(record[Col.SYSTEM_ID])
    if isinstance(structure, AtomicSystem):
        return {Col.FORMULA: hill(composition(structure.numbers)), Col.N_ATOMS: len(structure)}
    whole = not isinstance(counts, str) and all(float(amount).is_integer() for amount in counts.values())
    formula = hill({name: int(n) for name, n in counts.items()}) if whole and not isinstance(counts, str) else ""
    return {Col.FORMULA: formula, Col.N_ATOMS: 0}
