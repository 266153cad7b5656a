"""The datasets by name; what is known of each is in ``config.datasets``."""

from __future__ import annotations

from adit.config import ChosenDataset, CustomDataset
from adit.config.base import load_place
from adit.config.datasets import DATASETS
from adit.data.datasets import custom
from adit.data.datasets.records import Dataset
from adit.readers import ReadSettings


def known_dataset(name: str) -> Dataset:
    """Return a dataset of the package by its name."""
    loaded: Dataset = load_place(DATASETS[name].place)
    return loaded


def dataset(chosen: ChosenDataset, described: CustomDataset | None, reading: ReadSettings | None = None) -> Dataset:
    """Return a known dataset, or the user's own that is described.

    Args:
        chosen: its name.
        described: the user's own dataset, or ``None``.
        reading: how a user's own files are read.
    """
    return known_dataset(chosen.name) if described is None else custom.dataset(chosen.name, described, reading)
