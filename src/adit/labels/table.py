"""Table of a computed label: one row per chosen training molecule, failures with their reasons; resumable."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adit import seeds
from adit.columns import Col
from adit.config import LabelsStage
from adit.data.sources.locks import alone
from adit.errors import DataError
from adit.isolate import Outcome, map_isolated
from adit.labels.gaps import LABEL, METHOD, homo_lumo_gap
from adit.outputs.scratch import Scratch
from adit.progress import Progress, log
from adit.readers.charges import STATE
from adit.store import SystemTable, read_frame, read_systems, sha256, write_frame
from adit.systems import AtomicSystem, Kind

PART = 500
"""Number of molecules in a part on disk; a kill loses less than this, times the number of workers."""

COLUMNS = (Col.SYSTEM_ID, LABEL, Col.STATUS, Col.REASON)
"""Columns of the table; the label is in eV."""

SUFFIX = ".labels.parquet"
"""``<dataset>.labels.parquet``: the table of a prepared dataset ``<dataset>.arrow``."""


def choose(count: int, n: int, seed: int) -> np.ndarray:
    """Return indices (n,) of ``n`` of ``count`` systems; for the same seed, a larger ``n`` extends a smaller one."""
    return seeds.generator("labels", seed).permutation(count)[:n]


@dataclass(frozen=True)
class _Parts:
    """Finished parts of a table in a folder."""

    folder: Path
    ids: Sequence[str]

    @property
    def bounds(self) -> list[tuple[int, int]]:
        return [(start, min(start + PART, len(self.ids))) for start in range(0, len(self.ids), PART)]

    @cached_property
    def missing(self) -> list[int]:
        """Return the indices of the molecules whose part is not on disk."""
        return [place for low, high in self.bounds if not self.path(low, high).is_file() for place in range(low, high)]

    def path(self, low: int, high: int) -> Path:
        return self.folder / f"{low}-{high}.parquet"

    def write(self, low: int, high: int, outcomes: dict[int, Outcome]) -> None:
        rows = [_label_row(self.ids[place], outcomes.pop(place)) for place in range(low, high)]
        write_frame(self.path(low, high), _frame(rows))

    def frame(self) -> pd.DataFrame:
        """Return all parts as one table."""
        parts = [read_frame(self.path(low, high)) for low, high in self.bounds]
        return pd.concat(parts, ignore_index=True) if parts else _frame([])


def _label_row(system_id: str, outcome: Outcome) -> tuple[str, float | None, str, str]:
    reason = outcome.reason.removeprefix("DataError: ").removeprefix("ExternalToolError: ")
    return system_id, outcome.value, outcome.status, reason.removeprefix(f"{system_id}: ")


def _frame(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({Col.SYSTEM_ID: str, LABEL: "float64", Col.STATUS: str, Col.REASON: str})


def write_gaps(stage: LabelsStage, data: Path, out: Path, *, workers: int = 1, state: Path | None = None) -> None:
    """Compute the label ``homo_lumo_gap`` of training molecules.

    Args:
        stage: slice of the configuration; a larger ``labels.gaps`` with the same seed uses existing parts.
        data: prepared dataset of molecules.
        out: Parquet table: ``system_id``, ``homo_lumo_gap`` (eV; null for failures), ``status``, ``reason``.
        workers: number of processes; the result does not depend on it.
        state: folder of finished parts, which are kept; default: beside ``out``.

    Raises:
        DataError: the dataset is missing or broken, or has no training molecule.
        ConfigError: a part to write exists and was not written by this verb.
    """
    n, seed = stage.labels.gaps, stage.seed
    table = read_systems(data)
    arrays = table.arrays("train")
    molecules = np.flatnonzero(arrays.kind == Kind.MOLECULE.label)
    if not len(molecules):
        raise DataError(f"{data}: has no training molecule, for which alone {LABEL} is defined")
    chosen = molecules[choose(len(molecules), n, seed)]
    states = _states(table)
    charged = " charges" if any(states) else ""  # parts of earlier versions have the gaps at charge 0
    key = hashlib.sha256(f"{sha256(data)} {METHOD} {seed} {PART}{charged}".encode()).hexdigest()[:16]
    folder = (state or out.parent / f".{out.name}.parts") / key
    with alone(folder.parent):
        names = table.split_ids("train")
        parts = _Parts(folder, [names[place] for place in chosen])
        scratch = Scratch(folder.parent, "labels")
        scratch.remove(name for name in scratch.names if not name.startswith(f"{key}/"))  # of other data or settings
        scratch.promise(f"{key}/{parts.path(low, high).name}" for low, high in parts.bounds)
        _compute(parts, _systems(table, chosen, states), workers, stage.labels.wall_limit_s)
        frame = parts.frame()
        description = {"data_sha256": sha256(data), "method": METHOD, "unit": "eV", "n": n, "seed": seed}
        write_frame(out, frame, description)
    failed = frame[frame[Col.STATUS] != "ok"]
    log.info("%s: %d values of %s, %d failed", out, len(frame) - len(failed), LABEL, len(failed))


def _states(table: SystemTable) -> list[dict[str, Any]]:
    """Return charge (e) and unpaired electrons of each training system, where its file says them and they are not 0."""
    return [{name: info[name] for name in STATE if info.get(name)} for info in table.infos("train")]


def _systems(table: SystemTable, chosen: np.ndarray, states: Sequence[dict[str, Any]]) -> list[AtomicSystem]:
    """Return training systems with their states by index, in the order of the file."""
    arrays, names = table.arrays("train"), table.split_ids("train")
    systems = []
    for place in chosen.tolist():
        atoms = slice(arrays.offsets[place], arrays.offsets[place + 1])
        numbers, positions = arrays.numbers[atoms], arrays.positions[atoms]
        systems.append(AtomicSystem(names[place], Kind.MOLECULE, numbers, positions, info=states[place]))
    return systems


def _compute(parts: _Parts, systems: Sequence[AtomicSystem], workers: int, wall_limit_s: float) -> None:
    """Compute missing values; each part is written as soon as it is complete."""
    todo = parts.missing
    progress = Progress(f"molecules with {METHOD}", len(systems), len(systems) - len(todo))
    outcomes: dict[int, Outcome] = {}
    waiting = {(low, high): high - low for low, high in parts.bounds}

    def on_result(index: int, outcome: Outcome) -> None:
        place = todo[index]
        outcomes[place] = outcome
        low = place // PART * PART
        bound = (low, min(low + PART, len(systems)))
        waiting[bound] -= 1
        if not waiting[bound]:
            parts.write(*bound, outcomes)
        progress.update()

    map_isolated(
        homo_lumo_gap,
        [systems[place] for place in todo],
        workers=workers,
        wall_limit_s=wall_limit_s,
        on_result=on_result,
    )


def read_labels(path: Path, ids: Sequence[str]) -> dict[str, list[float | None]]:
    """Return label → value of each system of ``ids``, in order; ``None`` for missing values.

    Args:
        path: Parquet or CSV table with ``system_id`` and one column per label; ``status`` and ``reason`` are skipped.
        ids: ids of the systems of a prepared dataset.

    Raises:
        DataError: the file is missing or broken, has no ``system_id`` or no label, names a system twice, or has a
            column with values that are not numbers.
    """
    frame = read_frame(path)
    names = [name for name in frame.columns if name not in (Col.SYSTEM_ID, Col.STATUS, Col.REASON)]
    if Col.SYSTEM_ID not in frame.columns or not names:
        raise DataError(f"{path}: is not a table of labels; it needs a column system_id and one a label")
    if frame[Col.SYSTEM_ID].duplicated().any():
        twice = frame.loc[frame[Col.SYSTEM_ID].duplicated(), Col.SYSTEM_ID].iloc[0]
        raise DataError(f"{path}: system {twice} occurs twice; keep one row")
    for name in names:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            raise DataError(f"{path}: column {name} holds values that are no numbers; labels of a table are numbers")
    rows = frame.set_index(frame[Col.SYSTEM_ID].astype(str))[names].reindex(list(ids))
    return {name: [float(v) if np.isfinite(v) else None for v in rows[name].to_numpy(float)] for name in names}
