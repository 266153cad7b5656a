"""The linear interpolant between noise and clean latents."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def interpolate(
    noise: Float[Tensor, "b m d"], clean: Float[Tensor, "b m d"], t: Float[Tensor, " b"]
) -> Float[Tensor, "b m d"]:
    """Return Z⁽ᵗ⁾ = (1 − t) Z⁽⁰⁾ + t Z⁽¹⁾; t is the time of each system, in [0, 1]. Source: Eq. 9."""
    time = t[:, None, None]
    return (1.0 - time) * noise + time * clean


def velocity(
    clean: Float[Tensor, "b m d"],
    noisy: Float[Tensor, "b m d"],
    t: Float[Tensor, " b"] | float,
    *,
    step: float | None = None,
) -> Float[Tensor, "b m d"]:
    """Return the vector field u = (Z⁽¹⁾ − Z⁽ᵗ⁾) / (1 − t), or the change ``step``·u. Source: Eq. 10.

    Args:
        clean: Z⁽¹⁾, or its prediction.
        noisy: Z⁽ᵗ⁾.
        t: time of each system, or of all of them; below 1.
        step: width of a step; step/(1 − t) is computed first, so that a step to t = 1 has the least rounding error.
    """
    if step is not None:
        return step / _left(t) * (clean - noisy)
    return (clean - noisy) / _left(t)


def _left(t: Tensor | float) -> Any:
    """Return 1 − t, a number or (B, 1, 1)."""
    return 1.0 - (t[:, None, None] if isinstance(t, Tensor) else t)


def center(values: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"]) -> Float[Tensor, "b m d"]:
    """Subtract the per-channel mean over the real atoms of each system; padding becomes zero. Source: Section 2.2."""
    weights = mask.unsqueeze(-1).to(values.dtype)
    mean = (values * weights).sum(dim=1, keepdim=True) / weights.sum(dim=1, keepdim=True)
    return (values - mean) * weights


def logit_normal_times(uniform: Float[Tensor, " b"], mean: float, std: float) -> Float[Tensor, " b"]:
    """Return times in (0, 1) with log(t/(1−t)) ~ N(``mean``, ``std``²), from uniform numbers in [0, 1).

    Source: Esser et al. (2024).
    """
    return torch.sigmoid(mean + std * torch.special.ndtri(uniform.clamp(1e-6, 1.0 - 1e-6)))
