"""Algorithm 3: Euler integration of the probability-flow ODE of the interpolant."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from adit.errors import ConfigError

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(Z⁽ᵗ⁾ (B, M, d), previous prediction (B, M, d), t (B,)) → predicted clean latents (B, M, d)."""


def euler(
    predict: Predict,
    noise: Float[Tensor, "b m d"],
    *,
    steps: int,
    on_step: Callable[[int], None] | None = None,
) -> Float[Tensor, "b m d"]:
    """Integrate from noise at t = 0 to clean latents at t = 1.

    The times are i/T for i = 0 … T − 1, so that the last step ends at t = 1 exactly and no evaluation is made there;
    the prediction of a step is the self-conditioning of the next.

    Source: Algorithm 3. Differs: its ``linspace(0, 1, T)`` holds t = 1, where the field divides by zero.

    Raises:
        ConfigError: there is no step.
    """
    if steps < 1:
        raise ConfigError(f"sampling needs at least one step (given: {steps})")
    latents, previous = noise, torch.zeros_like(noise)
    for i in range(steps):
        t = torch.full((len(latents),), i / steps, dtype=latents.dtype, device=latents.device)
        previous = predict(latents, previous, t)
        # Δt (Z′ − Z) / (1 − t) with Δt = 1/T and t = i/T
        latents = latents + (previous - latents) / (steps - i)
        if on_step is not None:
            on_step(i)
    return latents
