"""The training mixture in memory: systems by dataset and split, and what the models need to know of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adit.config import DataConfig
from adit.data.batching import Item
from adit.errors import DataError
from adit.store import read_json, read_systems, sha256
from adit.systems import AtomicSystem

VALIDATION_SYSTEMS = 512
"""Systems of the validation split that a validation looks at, over all datasets."""


@dataclass(frozen=True)
class Dataset:
    """One prepared dataset.

    Attributes:
        name: as in ``data.datasets``.
        ratio: weight in the mixture.
        train: training split.
        val: validation split.
        sizes: number of atoms → number of training systems.
        sha256: hash of the file.
    """

    name: str
    ratio: float
    train: list[AtomicSystem]
    val: list[AtomicSystem]
    sizes: dict[int, int]
    sha256: str


@dataclass(frozen=True)
class Corpus:
    """All datasets of a training, in the order of the configuration."""

    datasets: tuple[Dataset, ...]

    @property
    def key(self) -> str:
        """Return a hash of the data."""
        return hashlib.sha256(" ".join(d.sha256 for d in self.datasets).encode()).hexdigest()

    def systems(self, items: Sequence[Item], split: str) -> list[AtomicSystem]:
        """Return the systems of ``items``."""
        lists = [d.train if split == "train" else d.val for d in self.datasets]
        return [lists[i.dataset][i.index] for i in items]

    def validation(self) -> list[Item]:
        """Return the systems to validate on: the first of each dataset's validation split."""
        share = max(1, VALIDATION_SYSTEMS // len(self.datasets))
        return [Item(d, i) for d, data in enumerate(self.datasets) for i in range(min(share, len(data.val)))]

    def provenance(self) -> dict[str, str]:
        """Return name → hash."""
        return {d.name: d.sha256 for d in self.datasets}

    def size_histograms(self) -> dict[str, dict[str, float]]:
        """Return kind → number of atoms → weight, over the training splits in the mixture's proportions."""
        histograms: dict[str, dict[str, float]] = {}
        for data in self.datasets:
            kind = str(data.train[0].kind)
            total = sum(data.sizes.values())
            histogram = histograms.setdefault(kind, {})
            for size, count in data.sizes.items():
                histogram[str(size)] = histogram.get(str(size), 0.0) + data.ratio * count / total
        return {kind: dict(sorted(h.items(), key=lambda pair: int(pair[0]))) for kind, h in histograms.items()}


def read_corpus(paths: Sequence[Path], config: DataConfig) -> Corpus:
    """Read prepared datasets.

    Args:
        paths: ``<name>.arrow`` files, each with ``<name>.stats.json`` beside it.
        config: names and ratios.

    Raises:
        DataError: a dataset of the configuration is not among the files, or has no training system.
    """
    by_name = {path.stem: path for path in paths}
    datasets = []
    for entry in config.datasets:
        path = by_name.get(entry.name)
        if path is None:
            raise DataError(f"{entry.name}: no prepared file among {', '.join(map(str, paths))}; run `adit prepare`")
        table = read_systems(path)
        train, val = table.systems("train"), table.systems("val")
        if not train:
            raise DataError(f"{path}: has no training system; prepare it with a larger data.datasets limit")
        stats = read_json(path.with_suffix("").with_suffix(".stats.json"))
        sizes = {int(size): int(count) for size, count in stats["size_histogram"].items()}
        datasets.append(Dataset(entry.name, entry.ratio, train, val, sizes, sha256(path)))
    return Corpus(tuple(datasets))
