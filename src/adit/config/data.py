"""Sections of the data room."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from adit.config.base import Positive, PositiveFloat, Strict

DATASETS = ("builtin-crystals", "builtin-molecules", "mp20", "qm9")
"""Names of the datasets that ``adit prepare`` knows."""

DatasetName = Literal["builtin-crystals", "builtin-molecules", "mp20", "qm9"]


class DatasetConfig(Strict):
    """One dataset of the training mixture."""

    name: DatasetName = Field(description="dataset to prepare and train on")
    ratio: PositiveFloat = Field(1.0, description="weight in the training mixture, by systems")
    limit: Positive | None = Field(None, description="use at most this many systems, drawn by the seed; null: all")


class DataConfig(Strict):
    """What to train on."""

    datasets: tuple[DatasetConfig, ...] = Field(
        (DatasetConfig(name="mp20", ratio=0.5), DatasetConfig(name="qm9", ratio=0.5)),
        min_length=1,
        description="training mixture",
    )
    max_atoms: Positive = Field(256, description="larger systems are dropped with a reason")

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [d.name for d in self.datasets]
        if len(set(names)) < len(names):
            raise ValueError("a dataset is named twice")
        return self
