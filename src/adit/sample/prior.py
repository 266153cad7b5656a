"""Sizes and noise of samples: functions of (seed, kind, global index) only, independent of shard and batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from adit.errors import ConfigError
from adit.progress import log
from adit.seeds import generator
from adit.systems import Kind


@dataclass(frozen=True)
class Draw:
    """Initial state of a sample.

    Attributes:
        index: global index.
        system_id: ``<kind>-<seed>-<index>``.
        noise: (n, d) float32, standard normal; its length is the number of atoms.
        counts: atomic number → number of atoms, if the composition is given.
        held: (h,) indices of the motif's atoms, if there is a motif.
    """

    index: int
    system_id: str
    noise: np.ndarray
    counts: Mapping[int, int] | None = None
    held: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.noise)


class SizePrior:
    """Draws numbers of atoms.

    Args:
        weights: number of atoms → weight, not negative.
    """

    def __init__(self, weights: Mapping[int, float]) -> None:
        self._sizes = np.array(list(weights))
        self._edges = np.cumsum(list(weights.values()))

    def draw(self, random: np.random.Generator) -> int:
        """Return a number of atoms."""
        position = np.searchsorted(self._edges, random.random() * self._edges[-1], side="right")
        return int(self._sizes[min(position, len(self._sizes) - 1)])


def training_sizes(histograms: Mapping[str, Mapping[str, float]], kind: Kind) -> dict[int, float]:
    """Return number of atoms → weight in a kind's training data.

    Raises:
        ConfigError: the model was not trained on this kind.
    """
    histogram = histograms.get(kind)
    if not histogram:
        kinds = ", ".join(histograms) or "nothing"
        raise ConfigError(
            f"sample.{kind}: this model was trained on {kinds}; set sample.{kind} to 0 or train it on {kind}s"
        )
    return {int(size): float(weight) for size, weight in histogram.items()}


def allowed_sizes(
    trained: Mapping[int, float],
    atoms: int | tuple[int, int] | None,
    fits: Callable[[int], bool],
    max_atoms: int,
    what: str,
    needs: str = "",
) -> dict[int, float]:
    """Return number of atoms → weight of the requested sizes.

    The weights are those of the training histogram. If it contains none of the requested sizes, a warning is logged,
    and all that fit are equally likely; without a request (``atoms`` is ``None``), the smallest that fits is taken.

    Args:
        trained: the training histogram.
        atoms: exact number of atoms, or lowest and highest; ``None``: as in training.
        fits: whether composition and motif allow a number of atoms.
        max_atoms: largest allowed number of atoms.
        what: key of the configuration, for messages.
        needs: text about composition and motif, for messages.

    Raises:
        ConfigError: ``atoms`` is not a range of positive numbers, one is above ``max_atoms``, or no size fits.
    """
    low, high = (1, max_atoms) if atoms is None else (atoms, atoms) if isinstance(atoms, int) else atoms
    if not 1 <= low <= high:
        raise ConfigError(f"{what}: {low} to {high} is not a range of numbers of atoms")
    if high > max_atoms:
        raise ConfigError(f"{what}: {high} atoms are more than data.max_atoms ({max_atoms})")
    weights = {n: weight for n, weight in trained.items() if low <= n <= high and fits(n) and weight > 0}
    if weights:
        return weights
    possible = [n for n in range(low, high + 1) if fits(n)]
    if not possible:
        problem = f"{low} atoms do not fit" if low == high else f"no number of atoms from {low} to {high} fits"
        raise ConfigError(f"{what}: {problem} {needs}; ask for other numbers of atoms, or for less")
    sizes = possible if atoms is not None else possible[:1]
    log.warning("%s: %s atoms were not seen in training; quality is unknown there", what, _span(sizes))
    return dict.fromkeys(sizes, 1.0)


def _span(sizes: list[int]) -> str:
    return str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"


def churn_noise(seed: int, kind: Kind, index: int) -> np.random.Generator:
    """Return the random generator of the noise that a stochastic solver adds to the sample with this global index."""
    return generator("churn", seed, str(kind), index)
