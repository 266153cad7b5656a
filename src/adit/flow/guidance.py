"""Classifier-free guidance: conditional and unconditional prediction in one evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from adit.errors import ConfigError


@runtime_checkable
class Joinable(Protocol):
    """Conditions of a batch, such as ``adit.model.conditions.Conditions``."""

    def cat(self, other: Self) -> Self:
        """Return these conditions followed by ``other``."""
        ...


@runtime_checkable
class Denoiser(Protocol):
    """Anything that predicts clean latents, such as ``adit.model.dit.DiT``."""

    def __call__(self, noisy: Tensor, previous: Tensor, t: Tensor, conditions: Any, mask: Tensor) -> Tensor:
        """Predict the clean latents (B, M, d)."""
        ...


@dataclass(frozen=True)
class Guided:
    """Predicts (1 − γ)·Z′(φ) + γ·Z′(c) of one batch; Z′(φ) only where γ ≠ 1.

    Attributes:
        denoiser: the model.
        conditions: c of each system.
        nulls: φ of each system.
        mask: (B, M) real atoms.
        guidance: scale γ, not negative.

    Source: Algorithm 3, lines 4 to 6.

    Raises:
        ConfigError: γ is negative.
    """

    denoiser: Denoiser
    conditions: Joinable
    nulls: Joinable
    mask: Bool[Tensor, "b m"]
    guidance: float

    def __post_init__(self) -> None:
        if self.guidance < 0:
            raise ConfigError(f"sampling needs a guidance scale of 0 or more (given: {self.guidance})")

    def __call__(
        self, noisy: Float[Tensor, "b m d"], previous: Float[Tensor, "b m d"], t: Float[Tensor, " b"]
    ) -> Float[Tensor, "b m d"]:
        """Predict the clean latents; padding is zero."""
        keep = self.mask.unsqueeze(-1).to(noisy.dtype)
        if self.guidance == 1.0:
            return self.denoiser(noisy, previous, t, self.conditions, self.mask) * keep
        both = self.denoiser(
            torch.cat([noisy, noisy]),
            torch.cat([previous, previous]),
            torch.cat([t, t]),
            self.conditions.cat(self.nulls),
            torch.cat([self.mask, self.mask]),
        )
        conditional, unconditional = both.chunk(2)
        return ((1.0 - self.guidance) * unconditional + self.guidance * conditional) * keep
