"""One step of the solver with churn against its formulas, and how evaluations are counted."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import Tensor

from adit.errors import ConfigError
from adit.flow.solver import Evaluation
from adit.flow.solvers.one_step import MAX_CHURN, Churned


def half(noisy: Tensor, previous: Tensor, t: Tensor) -> Tensor:
    return 0.5 * noisy


def test_a_step_with_churn_goes_back_in_time_adds_noise_and_is_heuns() -> None:
    """Karras et al. (2022), Algorithm 2, with σ = (1 − t)/t: σ̂ = γ σ, and noise of variance (1 − t̂)² − (t̂ σ)²."""
    noise, fresh = torch.full((1, 2, 3), 0.8, dtype=torch.float64), torch.full((1, 2, 3), 0.3, dtype=torch.float64)
    times = (0.0, 0.4, 0.7)
    steps = list(Churned(0.5)(Evaluation(half, noise), noise, times, lambda: fresh))
    before = steps[0].latents
    rise = 1.0 + 0.5 / 2
    sigma = rise * (1.0 - 0.4) / 0.4
    back = 1.0 / (1.0 + sigma)
    start = back / 0.4 * before + sqrt((1.0 - back) ** 2 - (back * (1.0 - 0.4) / 0.4) ** 2) * fresh
    first = (0.5 * start - start) / (1.0 - back)
    ahead = start + (0.7 - back) * first
    expected = start + (0.7 - back) / 2.0 * (first + (0.5 * ahead - ahead) / (1.0 - 0.7))
    torch.testing.assert_close(steps[1].latents, expected, rtol=1e-12, atol=1e-12)


def test_churn_of_a_step_is_bounded() -> None:
    noise = torch.ones(1, 2, 3, dtype=torch.float64)
    times = (0.0, 0.4, 0.7)
    ends = [
        list(Churned(churn)(Evaluation(half, noise), noise, times, lambda: noise))[-1].latents
        for churn in (2 * MAX_CHURN, 100.0)
    ]
    assert torch.equal(*ends)


def test_churn_without_a_source_of_noise_is_refused() -> None:
    noise = torch.ones(1, 2, 3)
    with pytest.raises(ConfigError, match="source of noise"):
        list(Churned(1.0)(Evaluation(half, noise), noise, (0.0, 0.5, 1.0), None))


def test_evaluations_are_counted_one_by_one() -> None:
    noise = torch.ones(2, 3, 4)
    evaluate = Evaluation(half, noise)
    for n in range(3):
        assert evaluate.count == n
        evaluate(noise, 0.1, remember=n > 0)
