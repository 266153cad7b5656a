"""The datasets: the one list that a new dataset is added to (docs/extending.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class DatasetEntry:
    """Properties of a dataset that are needed without loading it.

    Attributes:
        name: name in the configuration and in file names.
        place: ``module:object`` of its ``Dataset``.
        kind: crystal, molecule or mof.
        rows: number of systems of all splits, for estimates.
        train: number of systems of the training split.
        atoms: mean number of atoms of a system.
    """

    name: str
    place: str
    kind: str
    rows: int
    train: int
    atoms: float


_ROOM: Final = "adit.data.datasets"

DATASETS: Final[dict[str, DatasetEntry]] = {
    entry.name: entry
    for entry in (
        DatasetEntry("builtin-crystals", f"{_ROOM}.builtin_crystals:DATASET", "crystal", 180, 144, 4.0),
        DatasetEntry("builtin-molecules", f"{_ROOM}.builtin_molecules:DATASET", "molecule", 800, 640, 12.0),
        DatasetEntry("mp20", f"{_ROOM}.mp20:DATASET", "crystal", 39_711, 21_618, 10.4),
        DatasetEntry("qm9", f"{_ROOM}.qm9:DATASET", "molecule", 128_744, 99_985, 18.1),
        DatasetEntry("qmof", f"{_ROOM}.qmof:DATASET", "mof", 16_636, 13_301, 87.4),
        DatasetEntry("geom-drugs", f"{_ROOM}.geom_drugs:DATASET", "molecule", 304_313, 243_450, 44.4),
        DatasetEntry("druglike", f"{_ROOM}.druglike:DATASET", "molecule", 4_585, 3_662, 41.1),
    )
}
"""Datasets of ``adit prepare`` by name; ``data.custom`` adds a user's own."""
