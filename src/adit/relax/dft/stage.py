"""``adit stage dft``: one shard of the selected structures, each relaxed with DFT in its own process and folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adit import store
from adit.columns import Col
from adit.config import DftStage
from adit.progress import log
from adit.relax.dft.engines.registry import resolve
from adit.relax.dft.relaxed_files import read_relaxed_systems
from adit.relax.dft.result import COLUMNS, write_results
from adit.relax.dft.run import run_tasks
from adit.relax.dft.task import structure_folder, task_of

__all__ = ["COLUMNS", "run_dft", "shard_ids"]


def run_dft(
    stage: DftStage,
    selected: Path,
    relaxed: list[Path],
    shard: int,
    folder: Path,
    out: Path,
    structures: Path,
    workers: int,
    settings_dir: Path | None = None,
    *,
    molecules: bool = False,
) -> None:
    """Relax the selected structures whose rank modulo ``dft.shards`` is ``shard``.

    Args:
        stage: settings.
        selected: table of ``adit stage select``.
        relaxed: tables of the pre-relaxation; the structures are in the ``.arrow`` beside each.
        shard: index of the shard, from 0.
        folder: each structure has its folder ``<folder>/<system_id>`` with ``result.json``.
        out: table, one row per structure: ``COLUMNS``; energies in eV and eV/atom, ``fmax`` in eV/Å.
        structures: file of relaxed systems, failures for the others.
        workers: number of structures that are computed in parallel, one core each (VASP: as its command specifies).
        settings_dir: folder of the presets; by default ``config/dft`` under the working directory.
        molecules: whether they are molecules, with the preset ``dft.molecule.preset``.

    Raises:
        ExternalToolError: the engine is not installed, or the machine is at fault.
        ConfigError: there is no such preset, or a structure's folder contains files that this package did not write.
        DataError: an input is missing or unreadable.
    """
    ids = shard_ids(selected, shard, stage.dft.shards)
    starts = read_relaxed_systems(relaxed, ids)
    results: dict[str, dict[str, Any]] = {}
    if ids:
        engine = resolve(stage, settings_dir, molecules=molecules)
        log.info("%d structures, %s %s, preset %s", len(ids), engine.code, engine.version, engine.preset_name)
        results = run_tasks(
            [task_of(starts[i], engine, (folder / structure_folder(i)).absolute()) for i in ids],
            wall_limit_s=stage.dft.wall_limit_s,
            workers=workers,
            restarts=stage.dft.restarts,
        )
    write_results(out, structures, starts, [results[i] for i in ids])


def shard_ids(selected: Path, shard: int, n_shards: int) -> list[str]:
    """Return the selected ids of a shard, in the order of their ranks.

    Args:
        selected: table of ``adit stage select``.
        shard: index of the shard, from 0.
        n_shards: number of shards; the rank modulo this number is the shard.

    Raises:
        DataError: the table is missing or unreadable.
    """
    table = store.read_frame(selected)
    mine = table[table[Col.SELECTED].astype(bool)].sort_values(Col.RANK)
    return [str(row.system_id) for row in mine.itertuples() if int(row.rank) % n_shards == shard]
