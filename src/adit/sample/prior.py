"""Sizes and noise of samples: functions of (seed, kind, global index) alone, whatever the shard or batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from adit.errors import ConfigError
from adit.seeds import generator
from adit.systems import Kind


@dataclass(frozen=True)
class Draw:
    """What a sample starts from.

    Attributes:
        system_id: ``<kind>-<seed>-<index>``.
        noise: (n, d) float32, standard normal; its length is the number of atoms.
    """

    system_id: str
    noise: np.ndarray


class SizePrior:
    """Draws numbers of atoms from the training histogram of a kind.

    Raises:
        ConfigError: the model was not trained on this kind.
    """

    def __init__(self, histograms: Mapping[str, Mapping[str, float]], kind: Kind) -> None:
        histogram = histograms.get(kind)
        if not histogram:
            known = ", ".join(histograms) or "nothing"
            raise ConfigError(
                f"sample.{kind}: this model was trained on {known}; set sample.{kind} to 0 or train it on {kind}s"
            )
        self._sizes = np.array([int(size) for size in histogram])
        self._edges = np.cumsum([float(weight) for weight in histogram.values()])

    def draw(self, random: np.random.Generator) -> int:
        """Return a number of atoms."""
        position = np.searchsorted(self._edges, random.random() * self._edges[-1], side="right")
        return int(self._sizes[min(position, len(self._sizes) - 1)])


def draw(prior: SizePrior, seed: int, kind: Kind, index: int, latent_dim: int) -> Draw:
    """Return size and noise of the sample with global index ``index``."""
    random = generator("sample", seed, str(kind), index)
    size = prior.draw(random)
    return Draw(f"{kind}-{seed}-{index}", random.standard_normal((size, latent_dim)).astype(np.float32))
