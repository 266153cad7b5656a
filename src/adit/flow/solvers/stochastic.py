"""A solver that replaces part of the noise in every step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from torch import Tensor

from adit.errors import ConfigError
from adit.flow.solver import Evaluation, Fresh, Step


@dataclass(frozen=True)
class Ddim:
    """Order 1, one evaluation per step: Z⁽ˢ⁾ = s Z′ + (1 − s)(√(1 − ρ²) ε′ + ρ τ ξ), with fresh noise ξ.

    ε′ = (Z⁽ᵗ⁾ − t Z′)/(1 − t) is the noise that the prediction Z′ implies, and ρ² = min(1, η² (1 − r²)), where
    r = t(1 − s)/(s(1 − t)) is the ratio of the noise levels after and before the step.

    Attributes:
        eta: η. 0 is Euler; 1 replaces as much noise as the ancestral sampler; larger values replace more. With τ = 1
            and small steps, the distribution is that of the flow for every η.
        temperature: τ, scale of the fresh noise. Below 1, samples concentrate where the model is most certain: more are
            valid, and fewer are distinct.

    Source: Song, Meng and Ermon (2021), Eqs. 12 and 16, for α = t and σ = 1 − t; temperature as in Geffner et al.
    (2025).
    """

    eta: float
    temperature: float

    def __call__(
        self, evaluate: Evaluation, noise: Tensor, times: Sequence[float], fresh: Fresh | None
    ) -> Iterator[Step]:
        """Yield the state after each step.

        Raises:
            ConfigError: η is not 0, and ``fresh`` is ``None``.
        """
        if self.eta and fresh is None:
            raise ConfigError("solver ddim with eta above 0 needs a source of noise")
        latents = noise
        for t, s in pairwise(times):
            clean = evaluate(latents, t)
            if s == 1.0:
                yield Step(s, clean, clean)
                return
            implied = (latents - t * clean) / (1.0 - t)
            new = self._share(t, s)
            if new and fresh is not None:
                implied = sqrt(1.0 - new**2) * implied + new * self.temperature * fresh()
            latents = s * clean + (1.0 - s) * implied
            yield Step(s, latents, clean)

    def _share(self, t: float, s: float) -> float:
        """Return ρ, the share of the noise at s that is replaced."""
        ratio = t * (1.0 - s) / (s * (1.0 - t))
        return min(1.0, self.eta * sqrt(1.0 - ratio**2))
