"""Solvers by name."""

from __future__ import annotations

from collections.abc import Callable

from adit.errors import ConfigError
from adit.flow.solver import Solver
from adit.flow.solvers.adaptive import Adaptive
from adit.flow.solvers.multistep import AdamsBashforth2, ExponentialAdamsBashforth2
from adit.flow.solvers.one_step import Churned, Euler, Heun

SOLVERS: dict[str, Callable[[float, float], Solver]] = {
    "euler": lambda churn, tolerance: Euler(),
    "heun": lambda churn, tolerance: Heun(),
    "ab2": lambda churn, tolerance: AdamsBashforth2(),
    "exp-ab2": lambda churn, tolerance: ExponentialAdamsBashforth2(),
    "sde": lambda churn, tolerance: Churned(churn),
    "adaptive": lambda churn, tolerance: Adaptive(tolerance),
}

ALONE = frozenset({"adaptive"})
"""Solvers whose steps depend on all systems of a batch: they get one system at a time."""


def make_solver(name: str, *, churn: float = 0.0, tolerance: float = 1e-3) -> Solver:
    """Return a solver.

    Args:
        name: ``euler``, ``heun``, ``ab2``, ``exp-ab2``, ``sde`` (Heun with churn) or ``adaptive``.
        churn: for ``sde``.
        tolerance: for ``adaptive``.

    Raises:
        ConfigError: there is no such solver.
    """
    if name not in SOLVERS:
        raise ConfigError(f"sample.solver: no solver is named {name}; there are {', '.join(SOLVERS)}")
    return SOLVERS[name](churn, tolerance)


def evaluations(name: str, steps: int) -> int:
    """Return how many evaluations ``steps`` steps take (0 where it is not known beforehand)."""
    return {"heun": 2 * steps - 1, "sde": 2 * steps - 1, "adaptive": 0}.get(name, steps)
