"""Sections of the data room."""

from __future__ import annotations

import difflib
from typing import Literal, Self

from pydantic import Field, model_validator

from adit.config.base import Count, Positive, PositiveFloat, Strict
from adit.config.datasets import DATASETS

NAME = r"^[a-z0-9][a-z0-9-]*$"
"""Pattern of a dataset's name, which names files and is a wildcard of the workflow."""


class ChosenDataset(Strict):
    """Which systems to prepare."""

    name: str = Field(pattern=NAME, description="one of the known datasets, or a key of data.custom")
    limit: Positive | None = Field(None, description="maximum number of systems, selected by the seed; null: all")


class DatasetConfig(ChosenDataset):
    """One dataset of the training mixture."""

    ratio: PositiveFloat = Field(1.0, description="weight in the training mixture, per system")


class SplitConfig(Strict):
    """How a user's own dataset is split."""

    by: Literal["column", "formula", "id"] = Field(
        "formula",
        description="column: a column, or a key of the comment line, contains train, val or test; formula: "
        "80/10/10 by a hash of the reduced formula, so that no composition is in two splits; id: "
        "80/10/10 by a hash of the id",
    )
    column: str = Field("split", description="name of the column with the split")


class CustomDataset(Strict):
    """A user's own dataset."""

    path: str = Field(min_length=1, description="file, folder or archive; relative to the working directory of the run")
    format: Literal["cif", "extxyz", "sdf", "parquet", "csv"] | None = Field(
        None,
        description="read only this format; null: all supported formats, by suffix (docs/formats.md). parquet and"
        " csv: a column of structures, or of atomic_numbers, positions in Å and, for periodic "
        "systems, cell in Å (9 numbers, rows are vectors)",
    )
    kind: Literal["crystal", "molecule", "mof"] = Field(description="kind of the systems")
    id: str | None = Field(
        None, description="column or key with the id; null: the name of the file or the number of the row"
    )
    cif: str = Field("cif", description="column of the CIF texts")
    properties: tuple[str, ...] = Field((), description="columns or keys to keep as labels, e.g. band_gap")
    split: SplitConfig = SplitConfig()
    licence: str = Field("not stated", description="licence of the data, for the dataset's card")
    citation: str = Field("", description="BibTeX entry to cite")


class LabelsConfig(Strict):
    """Labels that are computed for the data, in addition to the published ones."""

    gaps: Count = Field(
        0,
        description="number of training molecules of each dataset with a computed HOMO-LUMO gap (GFN2-xTB, "
        "unrelaxed geometry, eV) for the label homo_lumo_gap; selected by the seed; 0: none",
    )
    wall_limit_s: PositiveFloat = Field(60.0, description="wall-time limit per molecule, s")


class DataConfig(Strict):
    """Training data."""

    datasets: tuple[DatasetConfig, ...] = Field(
        (DatasetConfig(name="mp20", ratio=0.5), DatasetConfig(name="qm9", ratio=0.5)),
        min_length=1,
        description="training mixture",
    )
    max_atoms: Positive = Field(256, description="largest number of atoms; larger systems are dropped with a reason")
    custom: dict[str, CustomDataset] = Field({}, description="datasets of your own, by name; see config/datasets.yaml")

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        names = [d.name for d in self.datasets]
        if len(set(names)) < len(names):
            raise ValueError("a dataset is named twice")
        allowed = [*DATASETS, *self.custom]
        for name in names:
            if name not in allowed:
                near = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
                way_out = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(allowed)}"
                raise ValueError(f"no dataset is called '{name}'; {way_out} (your own go into config/datasets.yaml)")
        for name in self.custom:
            if name in DATASETS:
                raise ValueError(f"custom dataset '{name}' has the name of a known one; call it something else")
        return self

    @property
    def molecules(self) -> list[str]:
        """Return the names of the mixture's datasets of molecules."""
        own = {name for name, described in self.custom.items() if described.kind == "molecule"}
        names = {name for name, entry in DATASETS.items() if entry.kind == "molecule"}
        return [d.name for d in self.datasets if d.name in own | names]

    def chosen(self, name: str) -> ChosenDataset:
        """Return the selection of a dataset to prepare: all of its systems, unless the mixture sets a limit."""
        limits = {d.name: d.limit for d in self.datasets}
        return ChosenDataset(name=name, limit=limits.get(name))
