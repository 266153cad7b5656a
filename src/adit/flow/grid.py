"""Time grids of the solvers: 0 = t₀ < t₁ < … < t_T = 1."""

from __future__ import annotations

from collections.abc import Callable

from adit.errors import ConfigError


def _uniform(share: float) -> float:
    return share


def _quadratic(share: float) -> float:
    """Steps shrink linearly towards the data: t = 1 − (1 − u)²."""
    return 1.0 - (1.0 - share) ** 2


GRIDS: dict[str, Callable[[float], float]] = {
    "uniform": _uniform,
    "quadratic": _quadratic,
}
"""Name → function that maps the share u = i/T of the steps to t; both are in [0, 1]."""


def time_grid(name: str, steps: int) -> tuple[float, ...]:
    """Return the T + 1 times of T steps; the first is 0 and the last 1, exactly.

    Args:
        name: ``uniform`` (i/T) or ``quadratic`` (denser towards the data at t = 1).
        steps: T, the number of steps; at least 1.

    Source: Algorithm 3 for ``uniform``.

    Raises:
        ConfigError: ``steps`` is below 1, or no grid has this name.
    """
    if steps < 1:
        raise ConfigError(f"sampling needs at least one step (given: {steps})")
    if name not in GRIDS:
        raise ConfigError(f"sample.grid: no grid is named {name}; there are {', '.join(GRIDS)}")
    return tuple(GRIDS[name](i / steps) for i in range(steps + 1))
