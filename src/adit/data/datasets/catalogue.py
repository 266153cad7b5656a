"""The datasets by name; their properties are in ``config.datasets``."""

from __future__ import annotations

from adit.config import ChosenDataset, CustomDataset
from adit.config.base import load_place
from adit.config.datasets import DATASETS
from adit.data.datasets import custom
from adit.data.datasets.records import Dataset
from adit.readers import ReadSettings


def known_dataset(name: str) -> Dataset:
    """Return a dataset of the package by its name.

    Raises:
        KeyError: there is none with this name; the configuration has been checked for that.
    """
    loaded: Dataset = load_place(DATASETS[name].place)
    return loaded


def dataset(chosen: ChosenDataset, described: CustomDataset | None, reading: ReadSettings | None = None) -> Dataset:
    """Return a known dataset, or a user's own.

    Args:
        chosen: name and limit of the dataset.
        described: description of a user's own dataset, or ``None``.
        reading: how a user's own files are read.
    """
    return known_dataset(chosen.name) if described is None else custom.dataset(chosen.name, described, reading)
