"""The training mixture in memory: systems of all datasets as flat arrays, with their statistics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adit.config import DataConfig, LabelConfig
from adit.data.batching import Mixture
from adit.elements import hill, outside_vocabulary, symbol
from adit.errors import DataError
from adit.labels.table import SUFFIX, read_labels
from adit.model.conditions import Conditions, composition_code, encode
from adit.progress import log
from adit.store import SystemTable, read_json, read_systems, sha256
from adit.systems import AtomicSystem, Kind, SystemArrays, SystemBatch

SPLITS = ("train", "val")
"""Splits that a training uses."""

VALIDATION_SYSTEMS = 512
"""Systems of the validation split that are used in a validation, over all datasets."""


@dataclass(frozen=True)
class CorpusDataset:
    """One prepared dataset.

    Attributes:
        name: as in ``data.datasets``.
        ratio: weight in the mixture.
        table: the file, memory-mapped.
        counts: number of systems of each split.
        sizes: number of atoms → number of training systems.
        kind: kind of its systems.
        sha256: SHA-256 of the file.
        labels: table of further labels, see ``adit.labels.table``; ``None`` for none.
        labels_sha256: SHA-256 of that table; empty without one.
    """

    name: str
    ratio: float
    table: SystemTable
    counts: dict[str, int]
    sizes: dict[int, int]
    kind: Kind
    sha256: str
    labels: Path | None = None
    labels_sha256: str = ""

    def infos(self, split: str) -> list[dict[str, Any]]:
        """Return the annotations (``info``) of the systems of a split, updated with the values of the table of labels.

        Raises:
            DataError: the table of labels is broken, names a system twice, or has values that are not numbers.
        """
        infos = self.table.infos(split)
        if self.labels is not None:
            for name, values in read_labels(self.labels, self.table.split_ids(split)).items():
                for info, value in zip(infos, values, strict=True):
                    if value is not None:
                        info[name] = value
        return infos

    @property
    def hashes(self) -> list[str]:
        """Return the hash of the file, and of the table of labels if there is one."""
        return [self.sha256, *([self.labels_sha256] if self.labels is not None else [])]


class Corpus:
    """All datasets of a training, in the order of the configuration.

    The methods take ``rows``, (B,) int: indices of systems in a split of all datasets, concatenated in order.
    """

    def __init__(self, datasets: Sequence[CorpusDataset]) -> None:
        self.datasets = tuple(datasets)
        self.arrays = {split: SystemArrays.concatenate([d.table.arrays(split) for d in datasets]) for split in SPLITS}
        self._labels: dict[tuple[str, ...], Conditions] = {}

    @property
    def key(self) -> str:
        """Return a SHA-256 of the data, tables of labels included."""
        return hashlib.sha256(" ".join(text for d in self.datasets for text in d.hashes).encode()).hexdigest()

    @property
    def names(self) -> str:
        """Return the names of the datasets, for messages."""
        return ", ".join(dataset.name for dataset in self.datasets)

    def mixture(self, batch_size: int, seed: int) -> Mixture:
        """Return the order of the systems in training, for batches of ``batch_size`` systems."""
        return Mixture([d.counts["train"] for d in self.datasets], [d.ratio for d in self.datasets], batch_size, seed)

    def sizes(self, rows: np.ndarray, split: str) -> np.ndarray:
        """Return the numbers of atoms (B,) of systems."""
        return self.arrays[split].n_atoms[rows]

    def kinds(self, rows: np.ndarray, split: str) -> np.ndarray:
        """Return ``Kind.label`` (B,) of systems."""
        return self.arrays[split].kind[rows]

    def batch(self, rows: np.ndarray, split: str) -> SystemBatch:
        """Return systems as a batch on the CPU."""
        return SystemBatch.from_arrays(self.arrays[split], rows)

    def conditions(self, labels: Sequence[LabelConfig], rows: np.ndarray, split: str) -> Conditions:
        """Return the conditions of systems; a missing label is null.

        Raises:
            ConfigError: a category is not one of its label's classes.
            DataError: a table of labels is broken, names a system twice, or has values that are not numbers.
        """
        conditions = self._without_compositions(tuple(label for label in labels if label.type != "composition"), split)[
            torch.from_numpy(rows)
        ]
        if all(label.type != "composition" for label in labels):
            return conditions
        batch = self.batch(rows, split)
        return Conditions(conditions.kind, {**conditions.labels, "composition": composition_code(batch)})

    def _without_compositions(self, labels: tuple[LabelConfig, ...], split: str) -> Conditions:
        """Return the conditions of a split, without compositions; they are computed once."""
        key = (split, *(label.model_dump_json() for label in labels))
        if key not in self._labels:
            kinds = [list(Kind)[label] for label in self.arrays[split].kind.tolist()]
            infos: list[dict[str, Any]] = [{}] * len(kinds)
            if labels:
                infos = [info for d in self.datasets for info in d.infos(split)]
            for label in labels:
                if split == "train" and all(label.name not in info for info in infos):
                    log.warning("label %s: no training system has it, so it is not learned", label.name)
            values = [{label.name: info.get(label.name) for label in labels} for info in infos]
            self._labels[key] = encode(labels, kinds, values)
        return self._labels[key]

    def systems(self, rows: np.ndarray, split: str) -> list[AtomicSystem]:
        """Return systems as separate objects, for display."""
        arrays, systems = self.arrays[split], []
        for row in rows.tolist():
            atoms = slice(arrays.offsets[row], arrays.offsets[row + 1])
            kind = list(Kind)[arrays.kind[row]]
            cell = arrays.cell[row] if kind.periodic else None
            systems.append(AtomicSystem(f"{split}-{row}", kind, arrays.numbers[atoms], arrays.positions[atoms], cell))
        return systems

    def validation(self) -> np.ndarray:
        """Return the rows to validate on: the first of each dataset's validation split."""
        share = max(1, VALIDATION_SYSTEMS // len(self.datasets))
        counts = [d.counts["val"] for d in self.datasets]
        starts = np.cumsum([0, *counts[:-1]])
        return np.concatenate([start + np.arange(min(share, n)) for start, n in zip(starts, counts, strict=True)])

    def provenance(self) -> dict[str, str]:
        """Return name of dataset, or file name of its table of labels → SHA-256."""
        tables = {d.labels.name: d.labels_sha256 for d in self.datasets if d.labels is not None}
        return {d.name: d.sha256 for d in self.datasets} | tables

    def size_histograms(self) -> dict[str, dict[str, float]]:
        """Return kind → number of atoms as text → weight, over the training splits in the mixture's proportions."""
        histograms: dict[str, dict[str, float]] = {}
        for data in self.datasets:
            total = sum(data.sizes.values())
            histogram = histograms.setdefault(str(data.kind), {})
            for size, count in data.sizes.items():
                histogram[str(size)] = histogram.get(str(size), 0.0) + data.ratio * count / total
        return {kind: dict(sorted(h.items(), key=lambda pair: int(pair[0]))) for kind, h in histograms.items()}

    def formula_histograms(self) -> dict[str, dict[str, float]]:
        """Return kind → formula → weight, as ``size_histograms``, of molecules only."""
        histograms: dict[str, dict[str, float]] = {}
        for data in self.datasets:
            if data.kind.periodic:
                continue
            histogram = histograms.setdefault(str(data.kind), {})
            for text, count in _formulas(data.table.arrays("train")):
                histogram[text] = histogram.get(text, 0.0) + data.ratio * count / data.counts["train"]
        return {kind: dict(sorted(h.items())) for kind, h in histograms.items()}


def _formulas(arrays: SystemArrays) -> list[tuple[str, int]]:
    """Return the formulas of systems and how many have each."""
    elements, column = np.unique(arrays.numbers, return_inverse=True)
    counts = np.zeros((len(arrays), len(elements)), dtype=np.int32)
    np.add.at(counts, (np.repeat(np.arange(len(arrays)), arrays.n_atoms), column), 1)
    rows, systems = np.unique(counts, axis=0, return_counts=True)
    names = [symbol(int(z)) for z in elements]
    texts = [hill({name: n for name, n in zip(names, row, strict=True) if n}) for row in rows.tolist()]
    return list(zip(texts, systems.tolist(), strict=True))


def read_corpus(paths: Sequence[Path], config: DataConfig, labels: Sequence[Path] = ()) -> Corpus:
    """Read prepared datasets.

    Args:
        paths: ``<name>.arrow`` files, each with ``<name>.stats.json`` beside it.
        config: names and ratios.
        labels: tables ``<name>.labels.parquet`` of further labels.

    Raises:
        DataError: a configured dataset is not among the files, a file is missing or broken, or has no training system;
            or a table of labels belongs to no dataset.
    """
    by_name = {path.stem: path for path in paths}
    tables = {path.name.removesuffix(SUFFIX): path for path in labels}
    if alien := sorted(set(tables) - {entry.name for entry in config.datasets}):
        raise DataError(f"{tables[alien[0]]}: belongs to no dataset of the mixture; call it <dataset>{SUFFIX}")
    datasets = []
    for entry in config.datasets:
        path = by_name.get(entry.name)
        if path is None:
            raise DataError(f"{entry.name}: no prepared file among {', '.join(map(str, paths))}; run `adit prepare`")
        table = read_systems(path)
        counts = {split: len(table.split_ids(split)) for split in SPLITS}
        if not counts["train"]:
            raise DataError(f"{path}: has no training system; prepare it with a larger data.datasets limit")
        stats = read_json(path.with_suffix("").with_suffix(".stats.json"))
        sizes = {int(size): int(count) for size, count in stats["size_histogram"].items()}
        kind = list(Kind)[int(table.arrays("train").kind[0])]
        table_path = tables.get(entry.name)
        hashes = sha256(path), "" if table_path is None else sha256(table_path)
        datasets.append(
            CorpusDataset(entry.name, entry.ratio, table, counts, sizes, kind, hashes[0], table_path, hashes[1])
        )
    return Corpus(datasets)


def check_vocabulary(where: str, arrays: Iterable[SystemArrays], max_atomic_number: int, weights: str = "") -> None:
    """Check that a model's vocabulary contains all elements of some systems.

    Args:
        where: the data, for the message.
        arrays: the systems, of training and of validation.
        max_atomic_number: highest atomic number of the vocabulary.
        weights: folder of the trained weights whose vocabulary it is; empty: the configuration decides.

    Raises:
        DataError: it does not; the message names the elements and the way out.
    """
    numbers = np.unique(np.concatenate([each.numbers for each in arrays]))
    unknown = outside_vocabulary(numbers.tolist(), max_atomic_number)
    if unknown:
        way = f"raise model.max_atomic_number (now {max_atomic_number})"
        if weights:
            way = f"prepare the data with model.max_atomic_number: {max_atomic_number}, that of {weights}"
        raise DataError(f"{where}: elements outside the model's vocabulary: {', '.join(unknown)}; {way}")
