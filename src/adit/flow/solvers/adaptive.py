"""Adaptive integration by SciPy: accurate but slow; a reference for the solvers with fixed steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adit.errors import ExternalToolError
from adit.flow.path import velocity
from adit.flow.solver import Evaluation, Fresh, Step
from adit.flow.solvers.one_step import heun_steps
from adit.progress import log

LAST_T = 0.999
"""Time at which the adaptive part ends; from there one Euler step leads to t = 1."""

STEPS_LEFT = 100
"""Number of steps of Heun's method for the rest of the path, if step control ended before ``LAST_T``."""

LIMIT = 1000
"""Number of denoiser evaluations after which step control ends."""


@dataclass(frozen=True)
class Adaptive:
    """Runge–Kutta of order 5(4) with step control over all latents of a batch; the times of the grid are not used.

    The steps depend on all systems of a batch, so each system gets its own batch (``config.solvers``). The
    self-conditioning of a step is the prediction at its start, so that a repeated step sees the same field. If the
    tolerance cannot be met, a warning is logged, and Heun's method integrates the rest of the path.

    Attributes:
        tolerance: relative and absolute tolerance of a step.

    Source: Dormand and Prince (1980), as ``scipy.integrate.RK45``.
    """

    tolerance: float

    def __call__(
        self, evaluate: Evaluation, noise: Tensor, times: Sequence[float], fresh: Fresh | None
    ) -> Iterator[Step]:
        """Yield the state after each accepted step.

        Raises:
            ExternalToolError: SciPy is not installed.
        """
        rk45 = _rk45()
        evaluate(noise, 0.0)

        def latents_of(flat: Any) -> Tensor:
            return torch.from_numpy(flat).to(noise).view_as(noise)

        def field(t: float, flat: Any) -> Any:
            latents = latents_of(flat)
            return velocity(evaluate(latents, t, remember=False), latents, t).double().cpu().numpy().ravel()

        run = rk45(field, 0.0, noise.double().cpu().numpy().ravel(), LAST_T, rtol=self.tolerance, atol=self.tolerance)
        while run.status == "running" and evaluate.count < LIMIT:
            run.step()
            if run.status != "failed":
                latents = latents_of(run.y)
                yield Step(float(run.t), latents, evaluate(latents, float(run.t)))
                run.f = field(run.t, run.y)
        t = float(run.t)
        if t < LAST_T:
            log.warning("adaptive solver: step control ended at t = %.3f; take a larger sample.tolerance", t)
        rest = [t + (1.0 - t) * i / STEPS_LEFT for i in range(STEPS_LEFT)] if t < LAST_T else [t]
        yield from heun_steps(evaluate, latents_of(run.y), [*rest, 1.0])


def _rk45() -> Any:
    try:
        from scipy.integrate import RK45
    except ImportError as error:
        raise ExternalToolError(f"solver adaptive needs scipy ({error}); pip install scipy, or take heun") from error
    return RK45
