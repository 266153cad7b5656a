"""``adit relax FILES --engine …``: relax a user's structures with any engine, without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adit import convert, store
from adit.columns import Col
from adit.config import DftStage, RelaxStage
from adit.errors import ConfigError, DataError, one_line
from adit.outputs.check import check_is_folder
from adit.outputs.clean import RELAXED
from adit.outputs.replace import check_folder, replaced_folder
from adit.progress import log
from adit.readers import ReadRow, ReadSettings, need_structures, read_structures
from adit.relax.dft.engines.registry import resolve
from adit.relax.dft.result import frame_of, structure_of
from adit.relax.dft.run import run_tasks
from adit.relax.dft.task import structure_folder, task_of
from adit.relax.molecules.relaxation import Gfn2Relaxer
from adit.relax.potentials.screen import distance_below, refuse
from adit.relax.prerelax import chosen_of, relax_molecule_rows, relax_rows, table_of
from adit.systems import AtomicSystem, Failure, Kind

if TYPE_CHECKING:
    import pandas as pd

FIRST = (Col.SYSTEM_ID, Col.STATUS, Col.ENERGY, Col.REASON, Col.ENERGY_PER_ATOM)
"""First columns of every table, in this order."""

TABLES = ("relaxed.arrow", "relaxed.extxyz", "relaxed.csv", "relaxed.parquet")
"""Files of the output folder, in addition to the structures."""

Rows = list[AtomicSystem | Failure]
"""Systems and failures, in the order of the inputs."""


def relax_with_potential(
    stage: RelaxStage,
    files: Sequence[Path],
    out: Path,
    workers: int,
    reading: ReadSettings | None = None,
    only: Sequence[str] = (),
) -> None:
    """Relax structures with a learned potential and write them, see ``write``; a second run computes what is missing.

    Args:
        stage: settings.
        files: files, folders and archives of structures.
        out: output folder.
        workers: largest number of processes.
        reading: how files are read; ``None``: the defaults.
        only: ids of the structures to relax; empty: all.

    Raises:
        ConfigError: the potential needs a file of weights, and it is missing; or an id of ``only`` is not in the files.
        ExternalToolError: the potential is not installed.
        DataError: a file is missing or unreadable, or no structure can be relaxed.
    """
    chosen = chosen_of(stage.relax)
    chosen.check()
    tag = chosen.energy_tag

    def relaxed(rows: Rows) -> tuple[pd.DataFrame, Rows]:
        results = relax_rows(stage.relax, rows, workers, out / RELAXED)
        return table_of(rows, results, tag)

    _relax(files, out, relaxed, reading, only)


def relax_each_kind(
    stage: RelaxStage,
    files: Sequence[Path],
    out: Path,
    workers: int,
    reading: ReadSettings | None = None,
    only: Sequence[str] = (),
) -> None:
    """Relax molecules with GFN2-xTB and crystals with the configured potential, and write them, see ``write``.

    Arguments are those of ``relax_with_potential``.

    Raises:
        ConfigError: the potential needs a file of weights, and it is missing; or an id of ``only`` is not in the files.
        ExternalToolError: the potential is not installed, or there are molecules and tblite is not installed.
        DataError: a file is missing or unreadable, or no structure can be relaxed.
    """

    def relaxed(rows: Rows) -> tuple[pd.DataFrame, Rows]:
        molecules = [row for row in rows if row.kind is Kind.MOLECULE]
        others = [row for row in rows if row.kind is not Kind.MOLECULE]
        parts: list[tuple[pd.DataFrame, Rows]] = []
        if others or not rows:
            tag = chosen_of(stage.relax).energy_tag
            parts.append(table_of(others, relax_rows(stage.relax, others, workers, out / RELAXED), tag))
        if molecules:
            results = relax_molecule_rows(stage.relax.molecule, molecules, workers, out / RELAXED)
            parts.append(table_of(molecules, results, Gfn2Relaxer().energy_tag, molecules=True))
        return _in_order(rows, parts)

    _relax(files, out, relaxed, reading, only)


def relax_with_gfn2(
    stage: RelaxStage,
    files: Sequence[Path],
    out: Path,
    workers: int,
    reading: ReadSettings | None = None,
    only: Sequence[str] = (),
) -> None:
    """Relax molecules with GFN2-xTB and write them, see ``write``; periodic systems are refused.

    Arguments are those of ``relax_with_potential``.

    Raises:
        ExternalToolError: tblite is not installed.
        ConfigError: an id of ``only`` is not in the files.
        DataError: a file is missing or unreadable, or no structure can be relaxed.
    """

    def relaxed(rows: Rows) -> tuple[pd.DataFrame, Rows]:
        results = relax_molecule_rows(stage.relax.molecule, rows, workers, out / RELAXED)
        return table_of(rows, results, Gfn2Relaxer().energy_tag, molecules=True)

    _relax(files, out, relaxed, reading, only)


def _in_order(rows: Rows, parts: Sequence[tuple[pd.DataFrame, Rows]]) -> tuple[pd.DataFrame, Rows]:
    """Return table and systems of kinds that were relaxed separately, in the order of the inputs."""
    import pandas as pd

    if len(parts) == 1:
        return parts[0]
    widest = max((frame for frame, _ in parts), key=lambda frame: frame.shape[1])
    frame = pd.concat([part.dropna(axis=1, how="all") for part, _ in parts], ignore_index=True)
    frame = frame.set_index(frame[Col.SYSTEM_ID]).loc[[row.system_id for row in rows]].reset_index(drop=True)
    after = {row.system_id: row for _, systems in parts for row in systems}
    return frame.reindex(columns=widest.columns), [after[row.system_id] for row in rows]


def relax_with_dft(
    stage: DftStage,
    files: Sequence[Path],
    out: Path,
    workers: int,
    settings_dir: Path | None,
    reading: ReadSettings | None = None,
    only: Sequence[str] = (),
) -> None:
    """Relax structures with VASP, GPAW or GFN1-xTB and write them, see ``write``; a second run resumes.

    Args:
        stage: settings.
        files: files, folders and archives of structures.
        out: output folder.
        workers: number of structures that are computed in parallel.
        settings_dir: folder of the presets; ``None``: ``config/dft``.
        reading: how files are read; ``None``: the defaults.
        only: ids of the structures to relax; empty: all.

    Raises:
        ExternalToolError: the engine is not installed, or the machine is at fault.
        ConfigError: there is no such preset, or an id of ``only`` is not in the files.
        DataError: a file is missing or unreadable, or no structure can be relaxed.
    """
    engine = resolve(stage, settings_dir)
    log.info("%s %s, preset %s", engine.code, engine.version, engine.preset_name)

    def relaxed(rows: Rows) -> tuple[pd.DataFrame, Rows]:
        refused = {row.system_id: _why_not(row) for row in rows}
        engines = {False: engine}
        if any(row.kind is Kind.MOLECULE for row in rows):
            engines[True] = resolve(stage, settings_dir, molecules=True)
        tasks = [
            task_of(row, engines[row.cell is None], (out / "dft" / structure_folder(row.system_id)).absolute())
            for row in rows
            if isinstance(row, AtomicSystem) and refused[row.system_id] is None
        ]
        limits = {"wall_limit_s": stage.dft.wall_limit_s, "restarts": stage.dft.restarts}
        results = run_tasks(tasks, workers=workers, **limits) if tasks else {}  # type: ignore[arg-type]
        table = [
            results.get(row.system_id)
            or _blank(row, refused[row.system_id], engines[row.kind is Kind.MOLECULE].energy_tag)
            for row in rows
        ]
        after = [
            structure_of(row, results[row.system_id])
            if isinstance(row, AtomicSystem) and row.system_id in results
            else _failure(row, refused[row.system_id])
            for row in rows
        ]
        return frame_of(table), after

    _relax(files, out, relaxed, reading, only)


MIN_DISTANCE, MAX_VOLUME_PER_ATOM = 0.5, 250.0
"""Smallest distance (Å) and largest volume per atom (Å³) of structures that are relaxed, as in the pre-relaxation."""


def _why_not(row: AtomicSystem | Failure) -> str | None:
    if isinstance(row, Failure):
        return row.reason
    if row.cell is None:
        distance = distance_below(row, MIN_DISTANCE)
        return None if distance is None else f"atoms overlap: {distance:.2f} Å apart, at least {MIN_DISTANCE:g}"
    return refuse(row, MIN_DISTANCE, MAX_VOLUME_PER_ATOM)


def _failure(row: AtomicSystem | Failure, reason: str | None) -> Failure:
    return row if isinstance(row, Failure) else Failure(row.system_id, "relax", f"refused: {reason}", row.kind)


def _blank(row: AtomicSystem | Failure, reason: str | None, tag: str) -> dict[str, Any]:
    from adit.relax.dft.result import COLUMNS

    status = "failed" if isinstance(row, Failure) else "refused"
    record: dict[str, Any] = {
        Col.SYSTEM_ID: row.system_id,
        Col.STATUS: status,
        Col.REASON: reason or "",
        Col.ENERGY_TAG: tag,
    }
    n_atoms = 0 if isinstance(row, Failure) else len(row)
    counts: dict[str, Any] = {Col.N_ATOMS: n_atoms, Col.N_STEPS: 0, Col.ATTEMPTS: 0}
    return {**dict.fromkeys(COLUMNS), **counts, **record}


def structure_name(system: AtomicSystem) -> str:
    """Return the path of a relaxed structure's file in the output folder."""
    return f"structures/{structure_folder(system.system_id)}.{'cif' if system.cell is not None else 'sdf'}"


def structure_text(system: AtomicSystem) -> str:
    """Return a relaxed structure as CIF, or a molecule as SDF, without bonds if none are perceived."""
    return convert.to_cif(system) if system.cell is not None else convert.to_sdf(system)


def _relax(
    files: Sequence[Path],
    out: Path,
    relaxed: Callable[[Rows], tuple[pd.DataFrame, Rows]],
    reading: ReadSettings | None,
    only: Sequence[str] = (),
) -> None:
    check_is_folder(out)
    read = chosen_rows(read_structures(files, reading), only)
    need_structures(read)
    inputs = [of_a_kind(each) for each in read]
    sources = {given.source for given in inputs}
    log.info("%d structures from %d files", len(inputs), len(sources))
    structures = [structure_name(given.row) for given in inputs if isinstance(given.row, AtomicSystem)]
    check_folder(out, "relax", inputs=[*files, *map(Path, sources)], names=[*TABLES, *structures])
    table, after = relaxed([given.row for given in inputs])
    write(out, inputs, table, after)
    _need_relaxations(out, inputs, table)


def chosen_rows(read: Sequence[ReadRow], only: Sequence[str]) -> list[ReadRow]:
    """Return the rows of the named ids; all rows if none is named.

    Raises:
        ConfigError: an id is not in the files.
    """
    ids = {each.row.system_id for each in read}
    if missing := [name for name in only if name not in ids]:
        raise ConfigError(
            f"--only: no structure '{missing[0]}' in the files; they have {one_line(', '.join(ids), 200)}"
        )
    return [each for each in read if not only or each.row.system_id in only]


def _need_relaxations(out: Path, inputs: Sequence[ReadRow], table: pd.DataFrame) -> None:
    """Check that a relaxation was tried; one that failed is a row with its reason.

    Raises:
        DataError: every structure was refused or could not be read.
    """
    left_out = [isinstance(each.row, Failure) for each in inputs] | (table[Col.STATUS] == "refused").to_numpy()
    if left_out.all():
        first = table.iloc[0]
        raise DataError(
            f"none of the {len(table)} structures can be relaxed ({first[Col.SYSTEM_ID]}: {first[Col.REASON]}); "
            f"see the reasons in {out / 'relaxed.csv'}, and choose another --engine or correct the files"
        )


def of_a_kind(read: ReadRow) -> ReadRow:
    """Return a row that was read; a failure without a kind counts as a crystal, unless its format holds molecules."""
    if isinstance(read.row, Failure) and read.row.kind is None:
        kind = Kind.MOLECULE if read.periodic is False else Kind.CRYSTAL
        return replace(read, row=replace(read.row, kind=kind))
    return read


def write(out: Path, inputs: Sequence[ReadRow], table: pd.DataFrame, after: Rows) -> None:
    """Write ``OUT/relaxed.parquet`` and ``.csv`` (one row per input), ``.arrow``, ``.extxyz`` and ``structures/*``.

    Structure files of an earlier run that are not among these inputs are removed; their finished results are stored
    elsewhere.

    Args:
        out: output folder.
        inputs: the rows that were read.
        table: one row per input, in order.
        after: the relaxed systems, failures for the others.

    Raises:
        ConfigError: a file to write is an input, or exists and was not written by this verb.
    """
    table = table.assign(
        source=[given.source for given in inputs], read_notes=["; ".join(given.notes) for given in inputs]
    )
    table = table[[*FIRST, *(name for name in table.columns if name not in FIRST)]]
    systems = [row for row in after if isinstance(row, AtomicSystem)]
    with replaced_folder(out, "relax", inputs=[Path(given.source) for given in inputs], names=TABLES) as new:
        store.write_systems(new / "relaxed.arrow", after)
        store.write_extxyz(new / "relaxed.extxyz", systems)
        for system in systems:
            store.write_text(new / structure_name(system), structure_text(system))
        store.write_frame(new / "relaxed.csv", table)
        store.write_frame(new / "relaxed.parquet", table)
    counts = Counter(table[Col.STATUS])
    log.info("%s: %s", out / "relaxed.parquet", ", ".join(f"{n} {status}" for status, n in sorted(counts.items())))
