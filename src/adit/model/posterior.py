"""Data between encoder and decoder: the posterior of the latents, and the decoded systems."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from adit.model.padding import masked_mean


@dataclass(frozen=True)
class Posterior:
    """A diagonal Gaussian per atom.

    Attributes:
        mean: (B, M, d).
        logvar: (B, M, d), log σ².
    """

    mean: Float[Tensor, "b m d"]
    logvar: Float[Tensor, "b m d"]

    def sample(self, noise: Float[Tensor, "b m d"], extra: float | Tensor = 0.0) -> Float[Tensor, "b m d"]:
        """Return z = μ + √(σ² + extra²) ⊙ ε. Source: Algorithm 1, line 7. Differs: the paper has no ``extra``.

        Args:
            noise: ε, standard normal.
            extra: further standard deviation: one for all systems, or (B, 1, 1).
        """
        return self.mean + torch.sqrt(torch.exp(self.logvar) + extra**2) * noise

    def kl(self, mask: Bool[Tensor, "b m"]) -> Float[Tensor, " b"]:
        """Return D_KL(N(μ, σ) ‖ N(0, 1)) of each system in nats: summed over channels, mean over its atoms."""
        per_channel = 0.5 * (self.mean.square() + self.logvar.exp() - 1.0 - self.logvar)
        return masked_mean(per_channel, mask).sum(dim=-1)


@dataclass(frozen=True)
class Decoded:
    """Output of the decoder for each system.

    Attributes:
        logits: (B, M, Z_max) scores of atomic numbers 1 … Z_max.
        positions: (B, M, 3) nm.
        fractional: (B, M, 3); not wrapped into [0, 1).
        lattice: (B, 6) lengths in Å over n^(1/3), angles in radians.
    """

    logits: Float[Tensor, "b m z"]
    positions: Float[Tensor, "b m 3"]
    fractional: Float[Tensor, "b m 3"]
    lattice: Float[Tensor, "b 6"]
