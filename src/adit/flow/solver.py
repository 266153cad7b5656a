"""Algorithm 3: Euler integration of the guided vector field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from adit.errors import ConfigError


@runtime_checkable
class Denoiser(Protocol):
    """Anything that predicts clean latents, such as ``adit.model.dit.DiT``."""

    def __call__(self, noisy: Tensor, previous: Tensor, t: Tensor, label: Tensor, mask: Tensor) -> Tensor:
        """Predict the clean latents."""
        ...


def guided(
    denoiser: Denoiser,
    noisy: Float[Tensor, "b m d"],
    previous: Float[Tensor, "b m d"],
    t: Float[Tensor, " b"],
    label: Int[Tensor, " b"],
    mask: Bool[Tensor, "b m"],
    guidance: float,
    null_label: int,
) -> Float[Tensor, "b m d"]:
    """Return (1 − γ)·Z′(φ) + γ·Z′(c); both in one evaluation, and Z′(φ) only where γ ≠ 1.

    Source: Algorithm 3, lines 4 to 6.
    """
    if guidance == 1.0:
        return denoiser(noisy, previous, t, label, mask)
    null = torch.full_like(label, null_label)
    both = denoiser(
        torch.cat([noisy, noisy]),
        torch.cat([previous, previous]),
        torch.cat([t, t]),
        torch.cat([label, null]),
        torch.cat([mask, mask]),
    )
    conditional, unconditional = both.chunk(2)
    return (1.0 - guidance) * unconditional + guidance * conditional


def euler(
    denoiser: Denoiser,
    noise: Float[Tensor, "b m d"],
    label: Int[Tensor, " b"],
    mask: Bool[Tensor, "b m"],
    *,
    steps: int,
    guidance: float,
    null_label: int,
    on_step: Callable[[int], None] | None = None,
) -> Float[Tensor, "b m d"]:
    """Integrate from noise at t = 0 to clean latents at t = 1.

    The times are i/T for i = 0 … T − 1, so that the last step ends at t = 1 exactly and no evaluation is made there;
    the prediction of a step is the self-conditioning of the next.

    Source: Algorithm 3. Differs: its ``linspace(0, 1, T)`` holds t = 1, where the field divides by zero.

    Raises:
        ConfigError: there is no step or γ is negative.
    """
    if steps < 1 or guidance < 0:
        raise ConfigError(f"sampling needs at least one step and no negative guidance (given: {steps}, {guidance})")
    keep = mask.unsqueeze(-1).to(noise.dtype)
    latents = noise * keep
    previous = torch.zeros_like(latents)
    for i in range(steps):
        t = torch.full((len(latents),), i / steps, dtype=latents.dtype, device=latents.device)
        previous = guided(denoiser, latents, previous, t, label, mask, guidance, null_label) * keep
        # Δt (Z′ − Z) / (1 − t) with Δt = 1/T and t = i/T
        latents = latents + (previous - latents) / (steps - i)
        if on_step is not None:
            on_step(i)
    return latents
