"""Classifier-free guidance: conditional and unconditional prediction in one evaluation, within an interval of t."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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
        """Predict the clean latents (B, M, d).

        Args:
            noisy: (B, M, d) Z⁽ᵗ⁾.
            previous: (B, M, d) the previous prediction (self-conditioning); zeros for none.
            t: (B,) times in [0, 1).
            conditions: conditions of each system.
            mask: (B, M) real atoms.
        """
        ...


@dataclass(frozen=True)
class Guided:
    """Predicts (1 − γ)·Z′(φ) + γ·Z′(c) of one batch within the interval; with γ = 0 or 1, only one is evaluated.

    With a weaker denoiser, (ω − 1)·(Z′(c) − Z′weak(c)) is added within the interval (with γ = 0, φ replaces c). This
    moves the prediction away from errors that both denoisers make and the weaker one makes more strongly.

    Attributes:
        denoiser: the model.
        conditions: c of each system.
        nulls: φ of each system.
        mask: (B, M) real atoms.
        guidance: scale γ, not negative.
        interval: lowest and highest t at which guidance acts; elsewhere Z′(c) alone, in one evaluation. The t of a
            batch is that of its first system.
        weak: a weaker denoiser, such as the same without some of its blocks.
        weak_scale: ω; 1 adds nothing.

    Source: Algorithm 3, lines 4 to 6; for the interval Kynkäänniemi et al. (2024); for the weaker denoiser Karras et
    al. (2024), "Guiding a diffusion model with a bad version of itself".

    Raises:
        ConfigError: γ is negative, or the interval is not within [0, 1] or not in ascending order.
    """

    denoiser: Denoiser
    conditions: Joinable
    nulls: Joinable
    mask: Bool[Tensor, "b m"]
    guidance: float
    interval: tuple[float, float] = (0.0, 1.0)
    weak: Denoiser | None = None
    weak_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.guidance < 0:
            raise ConfigError(f"sampling needs a guidance scale of 0 or more (given: {self.guidance})")
        low, high = self.interval
        if not 0.0 <= low <= high <= 1.0:
            raise ConfigError(f"sampling needs a guidance interval within 0 and 1 (given: {low} to {high})")

    def __call__(
        self, noisy: Float[Tensor, "b m d"], previous: Float[Tensor, "b m d"], t: Float[Tensor, " b"]
    ) -> Float[Tensor, "b m d"]:
        """Predict the clean latents from Z⁽ᵗ⁾, the previous prediction and t; padding is zero."""
        if not self._acts(t):
            return self.denoiser(noisy, previous, t, self.conditions, self.mask) * self._keep.to(noisy.dtype)
        conditional, mixed = self._mix(noisy, previous, t)
        if self.weak is not None:
            weaker = self.weak(noisy, previous, t, self.conditions if self.guidance else self.nulls, self.mask)
            mixed = mixed + (self.weak_scale - 1.0) * (conditional - weaker)
        return mixed * self._keep.to(noisy.dtype)

    def _mix(self, noisy: Tensor, previous: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return Z′(c), and its mixture with Z′(φ); with γ = 0 the former is not needed, and Z′(φ) replaces it."""
        if self.guidance in (0.0, 1.0):
            conditions = self.conditions if self.guidance else self.nulls
            alone = self.denoiser(noisy, previous, t, conditions, self.mask)
            return alone, alone
        both = self.denoiser(
            torch.cat([noisy, noisy]), torch.cat([previous, previous]), torch.cat([t, t]), self._both, self._both_masks
        )
        conditional, unconditional = both.chunk(2)
        return conditional, torch.lerp(unconditional, conditional, self.guidance)

    def _acts(self, t: Tensor) -> bool:
        low, high = self.interval
        return (low, high) == (0.0, 1.0) or low <= float(t[0]) <= high

    @cached_property
    def _both(self) -> Joinable:
        return self.conditions.cat(self.nulls)

    @cached_property
    def _both_masks(self) -> Tensor:
        return torch.cat([self.mask, self.mask])

    @cached_property
    def _keep(self) -> Tensor:
        return self.mask.unsqueeze(-1)
