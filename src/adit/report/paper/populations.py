"""Numbers of the samples and of the training crystals, for the distributions of the page."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adit import store
from adit.columns import Col
from adit.errors import DataError
from adit.report.run.inputs import Run
from adit.report.words import formats

if TYPE_CHECKING:
    import pandas as pd

MAX_TRAIN: Final = 50_000
"""Largest number of training crystals that are read."""


def crystal_datasets(run: Run) -> list[str]:
    """Return the datasets of crystals whose file exists."""
    names = [str(stats.get("dataset")) for stats in run.datasets if stats.get("kind") == "crystal"]
    return [name for name in names if "/" not in name and (run.folder / f"data/{name}.arrow").is_file()]


def train_elements(run: Run) -> list[int]:
    """Return the number of different elements of each training crystal.

    Raises:
        DataError: a dataset is broken.
    """
    counts: list[int] = []
    for name in crystal_datasets(run):
        arrays = store.read_systems(run.folder / f"data/{name}.arrow").arrays("train")
        system = np.repeat(np.arange(len(arrays)), arrays.n_atoms)
        pairs = np.unique(np.stack([system, arrays.numbers]), axis=1)
        counts += np.bincount(pairs[0], minlength=len(arrays)).tolist()
    return counts


def train_info(run: Run, key: str) -> list[float]:
    """Return an annotation of the training crystals in the dataset, e.g. its DFT energies (eV/atom).

    Raises:
        DataError: a dataset is broken.
    """
    values: list[float] = []
    for name in crystal_datasets(run):
        infos = store.read_systems(run.folder / f"data/{name}.arrow").infos("train")[:MAX_TRAIN]
        infos_of_key = (info.get(key) for info in infos)
        values += [float(v) for v in infos_of_key if isinstance(v, int | float) and not formats.is_missing(v)]
    return values


def train_spacegroups(run: Run) -> Counter[int]:
    """Return the number of training crystals by international number of the spacegroup."""
    counts: Counter[int] = Counter()
    for stats in run.datasets:
        if stats.get("kind") == "crystal":
            for number, count in (stats.get("spacegroups") or {}).items():
                counts[int(number)] += int(count)
    return counts


def samples(run: Run, kind: str = "crystal") -> pd.DataFrame | None:
    """Return the scores of the systems of a kind that did not fail; ``None`` without scores."""
    frame = run.scores.get(kind)
    if frame is None:
        return None
    return frame[frame[Col.STATUS] != "failed"] if Col.STATUS in frame else frame


def populations(run: Run, key: str) -> dict[str, Any]:
    """Return the values of a column for the samples and the training crystals, as far as they are known.

    Args:
        run: the run.
        key: ``e_above_hull``, ``formation_energy_per_atom`` or ``n_elements``.
    """
    frame = samples(run)
    frames: dict[str, Any] = {}
    if frame is not None and key in frame:
        if key != Col.N_ELEMENTS and Col.RELAX_STATUS in frame:
            frame = frame[frame[Col.RELAX_STATUS] == "converged"]
        if values := frame[key].dropna().tolist():
            frames["samples"] = values
    try:
        train = train_elements(run) if key == Col.N_ELEMENTS else train_info(run, key)
    except DataError as error:
        run.problems.append(str(error).replace(f"{run.folder}/", ""))
        train = []
    return {**frames, "train": train} if train and frames else frames


def spacegroups(run: Run) -> dict[str, Counter[int]]:
    """Return the number of crystals by spacegroup number, of the samples as generated and of the training crystals."""
    frame = samples(run)
    if frame is None or Col.SPACEGROUP not in frame:
        return {}
    train = train_spacegroups(run)
    counts = Counter(int(number) for number in frame[Col.SPACEGROUP].dropna())
    return {"samples": counts, **({"train": train} if train else {})} if counts else {}
