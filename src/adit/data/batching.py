"""The systems of a training step: a fixed function of seed and step, so that resuming is exact."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adit.errors import DataError
from adit.seeds import generator


class Mixture:
    """Draws batches from several datasets in fixed proportions; each dataset is shuffled again in each pass.

    Systems are given by their row in the concatenated training splits of all datasets.

    Args:
        sizes: number of training systems of each dataset.
        ratios: weights of the datasets; they need not sum to one.
        batch_size: systems per step, over all processes.
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
        self._starts = np.cumsum([0, *sizes[:-1]])
        self._edges = np.concatenate([[0.0], np.cumsum(ratios) / np.sum(ratios)])
        self._orders: dict[tuple[int, int], np.ndarray] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of steps after which as many systems were used as the mixture contains."""
        return max(1, sum(self.sizes) // self.batch_size)

    def batch(self, step: int) -> np.ndarray:
        """Return the rows (batch_size,) of a step (counted from 0), dataset by dataset."""
        first, last = self._drawn(step), self._drawn(step + 1)
        parts = [
            self._starts[dataset] + self._rows(dataset, start, stop)
            for dataset, (start, stop) in enumerate(zip(first, last, strict=True))
        ]
        return np.concatenate(parts)

    def _drawn(self, step: int) -> list[int]:
        """Return the number of systems of each dataset that were drawn before ``step``."""
        edges = np.floor(self._edges * self.batch_size * step + 0.5).astype(int)
        return [int(n) for n in np.diff(edges)]

    def _rows(self, dataset: int, start: int, stop: int) -> np.ndarray:
        """Return the rows at some positions of a dataset's endless sequence of passes."""
        size, pieces = self.sizes[dataset], []
        while start < stop:
            epoch, offset = divmod(start, size)
            count = min(stop - start, size - offset)
            pieces.append(self._order(dataset, epoch)[offset : offset + count])
            start += count
        return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int64)

    def _order(self, dataset: int, epoch: int) -> np.ndarray:
        key = (dataset, epoch)
        if key not in self._orders:
            self._orders = {k: v for k, v in self._orders.items() if k[0] != dataset or k[1] == epoch - 1}
            self._orders[key] = generator("order", self.seed, dataset, epoch).permutation(self.sizes[dataset])
        return self._orders[key]


def share_of(rank: int, world: int, batch_size: int) -> np.ndarray:
    """Return the positions in a batch that process ``rank`` of ``world`` processes computes: every ``world``-th one.

    Raises:
        DataError: the batch size is not a multiple of ``world``.
    """
    if batch_size % world:
        raise DataError(f"batch_size {batch_size} is not a multiple of the {world} processes; change one of them")
    return np.arange(rank, batch_size, world)


def size_buckets(
    sizes: Sequence[int] | np.ndarray, waste: float = 0.08, smallest: int = 256, largest: int | None = None
) -> list[list[int]]:
    """Split a batch into parts of similar size, so that little padding is computed.

    Args:
        sizes: number of atoms of each system.
        waste: a part grows while at most this fraction of it is padding.
        smallest: a part grows to this number of atoms, padding included, whatever ``waste`` is.
        largest: largest number of atoms of a part, padding included; a single system may be larger.

    Returns:
        Positions in ``sizes``, part by part, from the largest systems to the smallest; each position once.
    """
    order = np.lexsort((np.arange(len(sizes)), -np.asarray(sizes)))
    parts: list[list[int]] = []
    longest = real = 0
    for i in order.tolist():
        size = int(sizes[i])
        padded = longest * (len(parts[-1]) + 1) if parts else 0
        fits = largest is None or padded <= largest
        if parts and fits and (padded <= smallest or real + size >= (1.0 - waste) * padded):
            parts[-1].append(i)
            real += size
        else:
            parts.append([i])
            longest, real = size, size
    return parts
