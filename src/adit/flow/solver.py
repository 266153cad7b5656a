"""Common parts of all solvers: the prediction with its memory, steps, and the loop from noise to clean latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from adit.errors import ConfigError

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(Z⁽ᵗ⁾ (B, M, d), previous prediction (B, M, d), t (B,)) → predicted clean latents (B, M, d)."""

Fresh = Callable[[], Tensor]
"""Return new standard normal noise (B, M, d): zero in the padding, and centred if the model was trained with it."""


class Evaluation:
    """The prediction with self-conditioning: each denoiser call also receives the previous prediction, with any solver.

    Args:
        predict: the (guided) denoiser.
        noise: (B, M, d), gives shape, type and device.
        self_conditioning: whether the model was trained with it; if not, every call receives zeros.

    Attributes:
        count: number of evaluations so far.
    """

    def __init__(self, predict: Predict, noise: Tensor, self_conditioning: bool = True) -> None:
        self._predict = predict
        self._self_conditioning = self_conditioning
        self._previous = torch.zeros_like(noise)
        self.count = 0

    def __call__(self, latents: Tensor, t: float, *, remember: bool = True) -> Tensor:
        """Return the predicted clean latents (B, M, d) at time ``t``, the same for all systems.

        ``remember`` passes them to the next evaluation; without it, that receives the same previous prediction again.
        """
        times = torch.full((len(latents),), t, dtype=latents.dtype, device=latents.device)
        clean = self._predict(latents, self._previous, times)
        self.count += 1
        if remember and self._self_conditioning:
            self._previous = clean
        return clean


@dataclass(frozen=True)
class Step:
    """State of an integration after one step.

    Attributes:
        t: time reached.
        latents: (B, M, d) there.
        clean: (B, M, d) the last prediction of the clean latents.
    """

    t: float
    latents: Tensor
    clean: Tensor


@runtime_checkable
class Solver(Protocol):
    """Integrates from t = 0 to t = 1 without evaluating at t = 1, where the field divides by zero."""

    def __call__(
        self, evaluate: Evaluation, noise: Tensor, times: Sequence[float], fresh: Fresh | None
    ) -> Iterator[Step]:
        """Yield the state after each step from ``times[i]`` to ``times[i + 1]``.

        Args:
            evaluate: the prediction.
            noise: (B, M, d) Z⁽⁰⁾.
            times: 0 = t₀ < … < t_T = 1.
            fresh: source of noise, for solvers that add some.

        Raises:
            ConfigError: the solver needs ``fresh``, and it is ``None``.
            ExternalToolError: the solver needs a package that is not installed.
        """
        ...


def integrate(
    predict: Predict,
    noise: Float[Tensor, "b m d"],
    times: Sequence[float],
    solver: Solver,
    *,
    fresh: Fresh | None = None,
    on_step: Callable[[Step], None] | None = None,
    self_conditioning: bool = True,
) -> Float[Tensor, "b m d"]:
    """Return the clean latents that a solver reaches from noise.

    Args:
        predict: the (guided) denoiser.
        noise: Z⁽⁰⁾.
        times: 0 = t₀ < … < t_T = 1, see ``adit.flow.grid``.
        solver: see ``adit.flow.solvers.registry``.
        fresh: source of noise, for solvers that add some.
        on_step: called after each step; steps are not kept otherwise.
        self_conditioning: whether the model was trained with it.

    Source: Algorithm 3. Differs: its ``linspace(0, 1, T)`` holds t = 1, where the field divides by zero; here the
    last step ends there and none starts there.

    Raises:
        ConfigError: ``times`` do not rise from 0 to 1, or the solver needs ``fresh`` and there is none.
        ExternalToolError: the solver needs a package that is not installed.
    """
    if len(times) < 2 or times[0] != 0.0 or times[-1] != 1.0 or any(b <= a for a, b in pairwise(times)):
        raise ConfigError("sampling needs at least one step, and times that rise from 0 to 1")
    latents = noise
    for step in solver(Evaluation(predict, noise, self_conditioning), noise, times, fresh):
        latents = step.latents
        if on_step is not None:
            on_step(step)
    return latents
