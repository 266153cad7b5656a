"""Which systems make up a training step: a fixed function of seed and step, so that resuming is exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adit.errors import DataError
from adit.seeds import generator


@dataclass(frozen=True)
class Item:
    """One system of the training mixture.

    Attributes:
        dataset: position of the dataset in the mixture.
        index: position of the system in the dataset's list.
    """

    dataset: int
    index: int


class Mixture:
    """Draws batches from several datasets in fixed proportions; each dataset is shuffled anew at each of its passes.

    Args:
        sizes: number of training systems of each dataset.
        ratios: weights of the datasets; they need not sum to one.
        batch_size: systems per step.
        seed: seed of the order.

    Raises:
        DataError: a dataset has no training system.
    """

    def __init__(self, sizes: Sequence[int], ratios: Sequence[float], batch_size: int, seed: int) -> None:
        if not sizes or min(sizes) < 1:
            raise DataError("a dataset of the training mixture has no training system; check data.datasets")
        self.sizes = tuple(sizes)
        self.batch_size = batch_size
        self.seed = seed
        self._edges = np.concatenate([[0.0], np.cumsum(ratios) / np.sum(ratios)])
        self._orders: dict[tuple[int, int], np.ndarray] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Return the steps in which as many systems are seen as the mixture holds."""
        return max(1, sum(self.sizes) // self.batch_size)

    def batch(self, step: int) -> list[Item]:
        """Return the systems of a step (counted from 0)."""
        first, last = self._drawn(step), self._drawn(step + 1)
        items: list[Item] = []
        for dataset, (start, stop) in enumerate(zip(first, last, strict=True)):
            items += [Item(dataset, self._at(dataset, position)) for position in range(start, stop)]
        return items

    def _drawn(self, step: int) -> list[int]:
        """Return how many systems of each dataset were drawn before ``step``."""
        edges = np.floor(self._edges * self.batch_size * step + 0.5).astype(int)
        return [int(n) for n in np.diff(edges)]

    def _at(self, dataset: int, position: int) -> int:
        epoch, offset = divmod(position, self.sizes[dataset])
        key = (dataset, epoch)
        if key not in self._orders:
            self._orders = {k: v for k, v in self._orders.items() if k[0] != dataset or k[1] == epoch - 1}
            self._orders[key] = generator("order", self.seed, dataset, epoch).permutation(self.sizes[dataset])
        return int(self._orders[key][offset])


def size_buckets(sizes: Sequence[int], waste: float = 0.2, smallest: int = 1024) -> list[list[int]]:
    """Split a batch into parts of like sizes, so that little of what is computed is padding.

    Args:
        sizes: atoms of each system.
        waste: a part grows while at most this share of it is padding.
        smallest: a part grows to this many atoms, padding included, whatever the waste: tiny parts do not pay.

    Returns:
        Positions in ``sizes``, part by part, from the largest systems to the smallest; each position once.
    """
    order = sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))
    parts: list[list[int]] = []
    for i in order:
        part = parts[-1] if parts else []
        padded = sizes[part[0]] * (len(part) + 1) if part else 0
        real = sum(sizes[j] for j in part) + sizes[i]
        if part and (padded <= smallest or real >= (1.0 - waste) * padded):
            part.append(i)
        else:
            parts.append([i])
    return parts
