"""Adaptive integration by SciPy: slow and careful, a reference for the solvers of fixed steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adit.errors import ExternalToolError
from adit.flow.solver import Evaluation, Fresh, Step

LAST_T = 0.999
"""Where the adaptive part ends; from there one Euler step leads to t = 1."""


@dataclass(frozen=True)
class Adaptive:
    """Runge–Kutta of order 5(4) with step control over all latents of a batch; the times of the grid are not used.

    The steps depend on all systems of a batch, so that it gets one system at a time (``registry.ALONE``).

    Attributes:
        tolerance: relative and absolute tolerance of a step.

    Raises:
        ExternalToolError: SciPy is not installed, or the step size goes to zero.
    """

    tolerance: float

    def __call__(
        self, evaluate: Evaluation, noise: Tensor, times: Sequence[float], fresh: Fresh | None
    ) -> Iterator[Step]:
        """Yield the state after each accepted step."""
        rk45 = _rk45()

        def latents_of(flat: Any) -> Tensor:
            return torch.from_numpy(flat).to(noise).view_as(noise)

        def field(t: float, flat: Any) -> Any:
            return evaluate.velocity(latents_of(flat), t).double().cpu().numpy().ravel()

        start = noise.double().cpu().numpy().ravel()
        run = rk45(field, 0.0, start, LAST_T, rtol=self.tolerance, atol=self.tolerance)
        while run.status == "running":
            message = run.step()
            if run.status == "failed":
                raise ExternalToolError(f"adaptive solver: {message}; take a larger sample.tolerance")
            latents = latents_of(run.y)
            yield Step(float(run.t), latents, latents)
        clean = evaluate(latents_of(run.y), float(run.t))
        yield Step(1.0, clean, clean)


def _rk45() -> Any:
    try:
        from scipy.integrate import RK45
    except ImportError as error:
        raise ExternalToolError(f"solver adaptive needs scipy ({error}); pip install scipy, or take heun") from error
    return RK45
