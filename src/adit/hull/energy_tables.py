"""Tables of energies to place on a hull: of `adit relax`, tables like them, or structures with an energy each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from adit import store
from adit.columns import Col
from adit.elements import composition, hill
from adit.errors import ConfigError, DataError
from adit.hull.energy_checks import NO_ENERGY, energy_of, energy_problem
from adit.hull.energy_tags import MP2020_TAG
from adit.progress import log
from adit.readers import CONTRADICTION, ReadRow, ReadSettings, need_structures, read_structures
from adit.readers.formats.labels import label_of
from adit.readers.formats.registry import format_of
from adit.readers.formats.tables import holds_structures
from adit.readers.formulas import parse_formula
from adit.readers.joins import identity_of, identity_of_record, join_ids, need_unique
from adit.systems import AtomicSystem, Failure

_PER_ATOM: Final = Col.ENERGY_PER_ATOM
_TOTAL: Final = Col.ENERGY
_WAY_OUT: Final = "relax the structures with `adit relax` and give its folder"


@dataclass(frozen=True)
class EnergyTable:
    """Energies of some structures.

    Attributes:
        path: path of the table, or of the file of structures.
        frame: one row per structure: system_id, energy_per_atom (eV/atom), energy_tag, status, reason, and
            formula if there are no structures.
        structures: id → system or failure; empty if the column ``formula`` replaces them.
    """

    path: Path
    frame: Any
    structures: Mapping[str, AtomicSystem | Failure]


def read_energy_tables(
    paths: Sequence[Path], energy_tag: str | None, reading: ReadSettings | None = None
) -> list[EnergyTable]:
    """Read tables of energies, or files of structures with a property ``energy_per_atom`` (eV/atom) or ``energy`` (eV).

    Args:
        paths: Parquet and CSV tables, or files of any format that the readers know.
        energy_tag: method of the energies whose table does not name it.
        reading: how files of structures are read.

    Raises:
        DataError: a file is missing or unreadable, holds no energies, or does not name their method.
        ConfigError: an id occurs twice, or a table and the structures beside it contradict each other.
    """
    tables: list[EnergyTable] = []
    columns: dict[Path, Sequence[str]] = {}
    for path in paths:
        frame = store.read_frame(path) if path.suffix in (".parquet", ".csv") else None
        if frame is not None and _is_table(path, frame):
            tables.append(_of_table(path, frame, energy_tag))
        else:
            columns[path] = [] if frame is None else list(map(str, frame.columns))
    if columns:  # read together, so that the ids are the same as in every command
        tables.append(_of_structures(columns, energy_tag, reading))
    ids = [str(system_id) for table in tables for system_id in table.frame[Col.SYSTEM_ID]]
    need_unique(ids, _names(paths))
    return tables


def _names(paths: Iterable[Path]) -> str:
    return ", ".join(map(str, paths))[:200]


def _is_table(path: Path, frame: Any) -> bool:
    """Return whether a file is a table of energies, with compositions in it or structures beside it, but none in it."""
    beside = path.with_suffix(".arrow").is_file()
    if not beside and any(holds_structures(frame[name].tolist()) for name in frame):
        return False
    compositions = Col.FORMULA in frame or beside
    return compositions and _PER_ATOM in frame and Col.SYSTEM_ID in frame


def _of_table(path: Path, frame: Any, energy_tag: str | None) -> EnergyTable:
    beside = path.with_suffix(".arrow")
    _add_tag(frame, path, energy_tag)
    for name, value in ((Col.STATUS, "converged"), (Col.REASON, "")):
        if name not in frame:
            frame[name] = value
    frame = frame.astype({Col.SYSTEM_ID: str})
    structures = {row.system_id: row for row in store.read_systems(beside)} if beside.is_file() else {}
    _check_structures(path, frame, structures)
    if not structures:
        _need_formulas(path, frame)
    _refuse_energies(path, frame, structures)
    return EnergyTable(path, frame, structures)


def _refuse_energies(path: Path, frame: Any, structures: Mapping[str, AtomicSystem | Failure]) -> None:
    """Replace energies of a table that contradict each other, or are not in eV, by NaN and the reason."""
    if not any(str(name).lower() == Col.ENERGY or "unit" in str(name).lower() for name in frame):
        return
    problems: list[str] = []
    for record in frame.to_dict("records"):
        structure = structures.get(record[Col.SYSTEM_ID])
        identity = identity_of(structure) if isinstance(structure, AtomicSystem) else identity_of_record(record)
        problems.append(energy_problem(record, identity.n_atoms))
    energies = zip(problems, frame[_PER_ATOM], strict=True)
    frame[_PER_ATOM] = [math.nan if problem else energy for problem, energy in energies]
    frame[Col.REASON] = [problem or reason for problem, reason in zip(problems, frame[Col.REASON], strict=True)]
    _warn(str(path), frame[Col.SYSTEM_ID], problems)


def _warn(where: str, ids: Iterable[str], problems: Sequence[str]) -> None:
    refused = [(system_id, problem) for system_id, problem in zip(ids, problems, strict=True) if problem]
    if refused:
        count = "1 energy" if len(refused) == 1 else f"{len(refused)} energies"
        log.warning("%s: %s not used (%s: %s)", where, count, *refused[0])


def _add_tag(frame: Any, path: Path, energy_tag: str | None) -> None:
    """Add the method of the energies to the rows that do not name theirs.

    Raises:
        DataError: there are such rows, with an energy, and no method is given for them.
    """
    tags = frame.get(Col.ENERGY_TAG)
    untagged = frame[_PER_ATOM].notna() if tags is None else frame[_PER_ATOM].notna() & tags.isna()
    if energy_tag is None and (tags is None or untagged.any()):
        raise DataError(f"{path}: does not say whose energies it holds; give --energy-tag, e.g. '{MP2020_TAG}'")
    if tags is None or untagged.any():
        frame[Col.ENERGY_TAG] = energy_tag if tags is None else tags.where(~untagged, energy_tag)


def _need_formulas(path: Path, frame: Any) -> None:
    """Check that a formula can be read, of a table that has them in place of structures.

    Raises:
        DataError: there are formulas, and none is readable.
    """
    texts = {str(row[Col.SYSTEM_ID]): row.get(Col.FORMULA) for row in frame.to_dict("records")}
    reasons = {key: _unreadable(text) for key, text in texts.items() if isinstance(text, str) and text.strip()}
    if reasons and all(reasons.values()):
        key, reason = next(iter(reasons.items()))
        raise DataError(f"{path}: none of its {len(reasons)} formulas can be read ({key}: {reason})")


def _unreadable(text: str) -> str:
    try:
        parse_formula(text)
    except DataError as error:
        return str(error)
    return ""


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
    files: Mapping[Path, Sequence[str]], energy_tag: str | None, reading: ReadSettings | None
) -> EnergyTable:
    """Return the energies in files of structures.

    Args:
        files: path → columns, if it is a table.
        energy_tag: method of energies that do not name it.
        reading: how the files are read.
    """
    import pandas as pd

    for path in files:
        kind = format_of(path) if path.is_file() else None
        if kind is not None and not kind[0].energies:
            raise DataError(f"{path}: is {kind[0].name}, which holds no energies; {_WAY_OUT}")
    try:
        rows = read_structures(list(files), (reading or ReadSettings()).needing_structures())
    except DataError as error:
        table = next((path for path, columns in files.items() if columns and str(error).startswith(str(path))), None)
        if table is None:
            raise
        raise _no_table(table, files[table], error) from error
    need_structures(rows)
    flagged = [(row.row.system_id, note) for row in rows for note in row.notes if note.startswith(CONTRADICTION)]
    if flagged:
        log.warning("%s: energies are of the structures as read, but %s: %s", _names(files), *flagged[0])
    records = [_record(row) for row in rows]
    ids = [str(each[Col.SYSTEM_ID]) for each in records]
    of_systems = [isinstance(row.row, AtomicSystem) for row in rows]
    reasons = [str(each[Col.REASON]) if good else "" for each, good in zip(records, of_systems, strict=True)]
    refusals = [reason if reason != NO_ENERGY else "" for reason in reasons]
    if any(of_systems) and all(math.isnan(each[_PER_ATOM]) for each in records):
        held = dict.fromkeys(name for row in rows for name in row.properties)
        if first_refused := next(((key, why) for key, why in zip(ids, refusals, strict=True) if why), None):
            raise DataError(f"{_names(files)}: no energy can be used ({first_refused[0]}: {first_refused[1]})")
        raise DataError(
            f"{_names(files)}: its structures have no {_PER_ATOM} and no {_TOTAL}; columns or keys: "
            f"{', '.join(held) or 'none'}; {_WAY_OUT}"
        )
    _warn(_names(files), ids, refusals)
    frame = pd.DataFrame(records)
    first = next(iter(files))
    _add_tag(frame, first, energy_tag)
    log.info("%s: energies of %d structures, eV (%s) or eV/atom (%s)", _names(files), len(rows), _TOTAL, _PER_ATOM)
    return EnergyTable(first, frame, {row.row.system_id: row.row for row in rows})


def _no_table(path: Path, columns: Sequence[str], error: DataError) -> DataError:
    """Return the error of a table without structures, which names the first missing column of a table of energies."""
    missing = next((name for name in (Col.SYSTEM_ID, _PER_ATOM, Col.FORMULA) if name not in columns), Col.FORMULA)
    beside = f", and no structures lie beside it ({path.stem}.arrow)" if missing == Col.FORMULA else ""
    return DataError(
        f"{path}: has no column {missing}{beside}; give the table of `adit relax`, or one like it (or structures "
        f"with their energies: {error})"
    )


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
        energy, reason = energy_of(read.properties, len(row))
        record = {
            Col.STATUS: str(label_of(read.properties.get(Col.STATUS)) or "converged"),
            Col.REASON: reason,
            _PER_ATOM: energy,
            Col.FORMULA: hill(composition(row.numbers)),
        }
    tag = label_of(read.properties.get(Col.ENERGY_TAG))
    return {Col.SYSTEM_ID: row.system_id, **record} | ({Col.ENERGY_TAG: str(tag)} if tag is not None else {})


def counts_of(record: Mapping[str, Any], structures: Mapping[str, Any]) -> dict[str, float] | str:
    """Return the composition of a row (element → amount), or the reason why there is none.

    Args:
        record: row of a table of energies.
        structures: id → system or failure.
    """
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
    """Return formula (Hill) and number of atoms of a row, by which joins with its structure are checked.

    Args:
        record: row of a table of energies.
        counts: its composition, or the reason why there is none.
        structures: id → system or failure; without its system, the number of atoms is 0.
    """
    structure = structures.get(record[Col.SYSTEM_ID])
    if isinstance(structure, AtomicSystem):
        return {Col.FORMULA: hill(composition(structure.numbers)), Col.N_ATOMS: len(structure)}
    whole = not isinstance(counts, str) and all(float(amount).is_integer() for amount in counts.values())
    formula = hill({name: int(n) for name, n in counts.items()}) if whole and not isinstance(counts, str) else ""
    return {Col.FORMULA: formula, Col.N_ATOMS: 0}
