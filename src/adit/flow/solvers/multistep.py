"""Multistep solvers: order 2 with one evaluation per step, since they use the previous step too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import log

from torch import Tensor

from adit.flow.path import velocity
from adit.flow.solver import Evaluation, Fresh, Step


class AdamsBashforth2:
    """Adams–Bashforth of order 2 for the velocity, with steps of any size; the first step is Euler's.

    Source: Hairer, Nørsett and Wanner, "Solving ordinary differential equations I", Section III.5.
    """

    def __call__(
        self, evaluate: Evaluation, noise: Tensor, times: Sequence[float], fresh: Fresh | None
    ) -> Iterator[Step]:
        """Yield the state after each step."""
        latents = noise
        before: Tensor | None = None
        width_before = 1.0
        for t, s in pairwise(times):
            width = s - t
            clean = evaluate(latents, t)
            current = velocity(clean, latents, t)
            change = current if before is None else current + width / (2.0 * width_before) * (current - before)
            latents = latents + width * change
            before, width_before = current, width
            yield Step(s, latents, clean)


class ExponentialAdamsBashforth2:
    """Exponential integrator of order 2: the prediction Z′ is taken as linear in t through the last two steps.

    dZ/dt = (Z′ − Z)/(1 − t) is linear in Z, so that a step with such a Z′ is solved exactly. Differs from the multistep
    method of Lu et al. (2022), DPM-Solver++(2M), in one thing: that one extrapolates in log(t/(1 − t)), which is
    infinite at both ends of this path. The first and the last step are Euler's: an extrapolated prediction at t = 1
    would be the result itself.
    """

    def __call__(
        self, evaluate: Evaluation, noise: Tensor, times: Sequence[float], fresh: Fresh | None
    ) -> Iterator[Step]:
        """Yield the state after each step."""
        latents = noise
        before: Tensor | None = None
        t_before = 0.0
        for t, s in pairwise(times):
            clean = evaluate(latents, t)
            left = (1.0 - s) / (1.0 - t)
            latents = clean if s == 1.0 else left * latents + (1.0 - left) * clean
            if before is not None and s < 1.0:
                # (1 − s) ∫ (τ − t)/(1 − τ)² dτ from t to s
                weight = (s - t) + (1.0 - s) * log(left)
                latents = latents + weight / (t - t_before) * (clean - before)
            before, t_before = clean, t
            yield Step(s, latents, clean)
