"""Multistep solvers on steps of unequal width, where they are exact."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from adit.flow.solver import Step, integrate
from adit.flow.solvers.multistep import AdamsBashforth2, ExponentialAdamsBashforth2

TIMES = (0.0, 0.1, 0.4, 0.5, 0.8, 1.0)
START, SLOPE = 0.7, -1.9
"""Value at t = 0 and slope of a velocity, or of a prediction, that is linear in t."""


def states(solver: AdamsBashforth2 | ExponentialAdamsBashforth2, predict: object) -> list[Step]:
    noise = torch.full((1, 2, 3), 0.3, dtype=torch.float64)
    steps = [Step(0.0, noise, noise)]
    integrate(predict, noise, TIMES, solver, on_step=steps.append)  # type: ignore[arg-type]
    return steps


def test_ab2_is_exact_on_a_field_linear_in_t_with_uneven_steps() -> None:
    """The first step is Euler's; each further one adds the integral of the field."""

    def predict(noisy: Tensor, previous: Tensor, t: Tensor) -> Tensor:
        return noisy + (1.0 - t[:, None, None]) * (START + SLOPE * t[:, None, None])

    for before, after in list(pairwise(states(AdamsBashforth2(), predict)))[1:]:
        integral = START * (after.t - before.t) + SLOPE * (after.t**2 - before.t**2) / 2.0
        torch.testing.assert_close(after.latents, before.latents + integral, rtol=0, atol=1e-12)


def test_exponential_ab2_is_exact_where_the_prediction_is_linear_in_t() -> None:
    """With Z′ = a + b t the path is Z = Z′ + (1 − t)(C + b log(1 − t)): its derivative is (Z′ − Z)/(1 − t)."""

    def predict(noisy: Tensor, previous: Tensor, t: Tensor) -> Tensor:
        return (START + SLOPE * t[:, None, None]).expand_as(noisy).contiguous()

    def shape(t: float) -> float:
        return SLOPE * torch.log1p(torch.tensor(-t, dtype=torch.float64)).item()

    for before, after in list(pairwise(states(ExponentialAdamsBashforth2(), predict)))[1:-1]:
        constant = (before.latents - START - SLOPE * before.t) / (1.0 - before.t) - shape(before.t)
        expected = START + SLOPE * after.t + (1.0 - after.t) * (constant + shape(after.t))
        torch.testing.assert_close(after.latents, expected, rtol=0, atol=1e-12)
