"""The datasets by name: the one list that a new dataset is added to."""

from __future__ import annotations

from adit.config import ChosenDataset, CustomDataset
from adit.data.datasets import builtin_crystals, builtin_molecules, custom, druglike, geom_drugs, mp20, qm9, qmof
from adit.data.datasets.records import Dataset
from adit.readers import ReadSettings

DATASETS: dict[str, Dataset] = {
    "builtin-crystals": builtin_crystals.DATASET,
    "builtin-molecules": builtin_molecules.DATASET,
    "mp20": mp20.DATASET,
    "qm9": qm9.DATASET,
    "qmof": qmof.DATASET,
    "geom-drugs": geom_drugs.DATASET,
    "druglike": druglike.DATASET,
}


def dataset(chosen: ChosenDataset, described: CustomDataset | None, reading: ReadSettings | None = None) -> Dataset:
    """Return a known dataset, or the user's own that is described.

    Args:
        chosen: its name.
        described: the user's own dataset, or ``None``.
        reading: how a user's own files are read.
    """
    return DATASETS[chosen.name] if described is None else custom.dataset(chosen.name, described, reading)
