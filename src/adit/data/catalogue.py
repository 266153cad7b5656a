"""The datasets by name: the one list that a new dataset is added to."""

from __future__ import annotations

from adit.data import builtin_crystals, builtin_molecules, mp20, qm9
from adit.data.records import Dataset

DATASETS: dict[str, Dataset] = {
    "builtin-crystals": builtin_crystals.DATASET,
    "builtin-molecules": builtin_molecules.DATASET,
    "mp20": mp20.DATASET,
    "qm9": qm9.DATASET,
}
