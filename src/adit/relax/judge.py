"""``adit stage judge``: energies of relaxed crystals by a second potential, static and optionally relaxed.

Both are computed by the functions of the pre-relaxation; a static energy is a relaxation with no steps. So a failure
affects one structure only, finished structures are kept, and a GPU processes many together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adit import store
from adit.columns import Col
from adit.config import JudgeConfig, JudgeStage
from adit.errors import AditError
from adit.progress import log
from adit.relax.potentials import batch
from adit.relax.potentials.chosen import Chosen
from adit.relax.potentials.outcome import Relaxed
from adit.relax.potentials.together import resolve_device
from adit.relax.prerelax import limits_of
from adit.systems import AtomicSystem, Failure

if TYPE_CHECKING:
    import pandas as pd

NOT_JUDGED = "not judged"
"""Status of every row if the judge is missing or does not load."""

COLUMNS = (
    Col.SYSTEM_ID,
    Col.STATUS,
    Col.REASON,
    Col.ENERGY_PER_ATOM,
    Col.STATIC_ENERGY_PER_ATOM,
    Col.CORRECTION_PER_ATOM,
    Col.RELAXED_ENERGY_PER_ATOM,
    Col.ENERGY_TAG,
    Col.N_ATOMS,
    Col.WALL_S,
)
"""Columns of the table: energies in eV/atom, ``wall_s`` in s."""


def judge_of(judge: JudgeConfig) -> Chosen | None:
    """Return the configured judge; ``None`` if there is none."""
    return None if judge.engine is None else Chosen(judge.engine, judge.weights, judge.python)


def judge(stage: JudgeStage, structures: Path, out: Path, workers: int, cache: Path | None = None) -> None:
    """Judge the relaxed crystals of one file and write one row per crystal, in the order of the file.

    If the judge is missing or does not load, a warning is logged and every row has the reason.

    Args:
        stage: settings.
        structures: file of relaxed systems, failures for the others.
        out: table, ``COLUMNS``: corrected energies in eV/atom; ``energy_per_atom`` is the relaxed energy if requested,
            else the static one; ``correction_per_atom`` is contained in all of them.
        workers: largest number of processes.
        cache: folder for finished structures, from which an interrupted run resumes; ``None`` for none.

    Raises:
        DataError: the structures are missing or unreadable.
    """
    rows = list(store.read_systems(structures))
    chosen = judge_of(stage.judge)
    why, tag = "no judge is configured (judge.engine)", ""
    table: list[dict[str, Any]] = []
    if chosen is not None:
        try:
            chosen.check()
            tag = chosen.energy_tag
            table = _judged(stage, chosen, tag, rows, workers, cache)
        except AditError as error:
            why, tag = str(error), ""
            log.warning("no judge, the run continues without it: %s", error)
    if not tag:
        table = [_blank_row(row, NOT_JUDGED, why, "") for row in rows]
    store.write_frame(out, frame_of(table), {Col.ENERGY_TAG: tag, "reason": "" if tag else why})
    counts = Counter(str(row[Col.STATUS]) for row in table)
    log.info("%s: %s", structures.name, ", ".join(f"{n} {status}" for status, n in sorted(counts.items())) or "nothing")


def frame_of(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the table of rows, with ``COLUMNS``."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(COLUMNS))


def _judged(
    stage: JudgeStage,
    chosen: Chosen,
    tag: str,
    rows: Sequence[AtomicSystem | Failure],
    workers: int,
    cache: Path | None,
) -> list[dict[str, Any]]:
    systems = [row for row in rows if isinstance(row, AtomicSystem)]
    static = _energies(stage, chosen, systems, workers, cache, steps=0)
    relaxed = _energies(stage, chosen, systems, workers, cache, stage.relax.max_steps) if stage.judge.relax else static
    pairs = iter(zip(systems, static, relaxed, strict=True))
    table = []
    for row in rows:
        if isinstance(row, Failure):
            table.append(_blank_row(row, "failed", f"{row.stage}: {row.reason}", tag))
            continue
        system, alone, after = next(pairs)
        table.append(_result(system, chosen, tag, alone, after if stage.judge.relax else None))
    return table


def _energies(
    stage: JudgeStage, chosen: Chosen, systems: Sequence[AtomicSystem], workers: int, cache: Path | None, steps: int
) -> list[Relaxed]:
    return batch.relax_all(
        systems,
        replace(limits_of(stage.relax), max_steps=steps),
        wall_limit_s=stage.judge.wall_limit_s,
        workers=workers,
        cache=cache,
        what=f"crystals judged by {chosen.label}",
        device=resolve_device(stage.relax.device),
        batch_atoms=stage.relax.batch_atoms,
        chosen=chosen,
    )


def _result(system: AtomicSystem, chosen: Chosen, tag: str, static: Relaxed, relaxed: Relaxed | None) -> dict[str, Any]:
    last = static if relaxed is None else relaxed
    if last.system is None:
        return _blank_row(system, last.status, last.reason, tag)
    energies = {
        Col.ENERGY_PER_ATOM: last.energy_per_atom,
        Col.STATIC_ENERGY_PER_ATOM: static.energy_per_atom,
        Col.RELAXED_ENERGY_PER_ATOM: float("nan") if relaxed is None else relaxed.energy_per_atom,
        Col.CORRECTION_PER_ATOM: chosen.correction(last.system) / len(system),
        Col.WALL_S: static.wall_s + (0.0 if relaxed is None else relaxed.wall_s),
    }
    return _blank_row(system, "judged", "", tag) | energies


def _blank_row(row: AtomicSystem | Failure, status: str, reason: str, tag: str) -> dict[str, Any]:
    energies = {str(name): float("nan") for name in COLUMNS if name.endswith("_per_atom")}
    record: dict[str, Any] = {Col.SYSTEM_ID: row.system_id, Col.STATUS: status, Col.REASON: reason}
    atoms = 0 if isinstance(row, Failure) else len(row)
    return {**energies, **record, Col.ENERGY_TAG: tag, Col.WALL_S: 0.0, Col.N_ATOMS: atoms}
