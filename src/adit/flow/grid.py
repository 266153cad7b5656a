"""Time grids of the solvers: 0 = t₀ < t₁ < … < t_T = 1."""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from statistics import NormalDist

from adit.errors import ConfigError


def _uniform(share: float) -> float:
    return share


def _quadratic(share: float) -> float:
    """Steps shrink linearly towards the data: t = 1 − (1 − u)²."""
    return 1.0 - (1.0 - share) ** 2


def _logit_normal(share: float) -> float:
    """Quantiles of a standard normal in log(t / (1 − t)): most steps lie in the middle of the path."""
    return share if share in (0.0, 1.0) else 1.0 / (1.0 + exp(-NormalDist().inv_cdf(share)))


GRIDS: dict[str, Callable[[float], float]] = {
    "uniform": _uniform,
    "quadratic": _quadratic,
    "logit-normal": _logit_normal,
}
"""Name → where the share i/T of the steps lies in time."""


def time_grid(name: str, steps: int) -> tuple[float, ...]:
    """Return the T + 1 times of T steps; the first is 0 and the last 1, exactly.

    Args:
        name: ``uniform`` (i/T), ``quadratic`` (denser towards the data at t = 1) or ``logit-normal`` (quantiles;
            denser in the middle).
        steps: T.

    Source: Algorithm 3 for ``uniform``; Esser et al. (2024) for the logit-normal distribution of times.

    Raises:
        ConfigError: there is no step, or no grid of that name.
    """
    if steps < 1:
        raise ConfigError(f"sampling needs at least one step (given: {steps})")
    if name not in GRIDS:
        raise ConfigError(f"sample.grid: no grid is named {name}; there are {', '.join(GRIDS)}")
    return tuple(GRIDS[name](i / steps) for i in range(steps + 1))
