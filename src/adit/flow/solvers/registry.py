"""Solvers by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from adit.errors import ConfigError
from adit.flow.solver import Solver
from adit.flow.solvers.adaptive import Adaptive
from adit.flow.solvers.multistep import AdamsBashforth2, ExponentialAdamsBashforth2
from adit.flow.solvers.one_step import Churned, Euler, Heun
from adit.flow.solvers.stochastic import Ddim


@dataclass(frozen=True)
class SolverSettings:
    """What some solvers are told.

    Attributes:
        churn: of ``sde``.
        eta: of ``ddim``.
        temperature: of ``ddim``.
        tolerance: of ``adaptive``.
    """

    churn: float = 0.0
    eta: float = 0.0
    temperature: float = 1.0
    tolerance: float = 1e-3


SOLVERS: dict[str, Callable[[SolverSettings], Solver]] = {
    "euler": lambda settings: Euler(),
    "heun": lambda settings: Heun(),
    "ab2": lambda settings: AdamsBashforth2(),
    "exp-ab2": lambda settings: ExponentialAdamsBashforth2(),
    "sde": lambda settings: Churned(settings.churn),
    "ddim": lambda settings: Ddim(settings.eta, settings.temperature),
    "adaptive": lambda settings: Adaptive(settings.tolerance),
}

ALONE = frozenset({"adaptive"})
"""Solvers whose steps depend on all systems of a batch: they get one system at a time."""


def make_solver(name: str, settings: SolverSettings = SolverSettings()) -> Solver:
    """Return a solver.

    Args:
        name: ``euler``, ``heun``, ``ab2``, ``exp-ab2``, ``sde`` (Heun with churn), ``ddim`` or ``adaptive``.
        settings: what it is told.

    Raises:
        ConfigError: there is no such solver.
    """
    if name not in SOLVERS:
        raise ConfigError(f"sample.solver: no solver is named {name}; there are {', '.join(SOLVERS)}")
    return SOLVERS[name](settings)


def evaluations(name: str, steps: int) -> int:
    """Return how many evaluations ``steps`` steps take (0 where it is not known beforehand)."""
    return {"heun": 2 * steps - 1, "sde": 2 * steps - 1, "adaptive": 0}.get(name, steps)
