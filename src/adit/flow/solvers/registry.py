"""Solvers by name; their properties are in ``config.solvers``."""

from __future__ import annotations

from collections.abc import Mapping

from adit.config.solvers import SOLVERS, SolverEntry
from adit.errors import ConfigError
from adit.flow.solver import Solver


def solver_entry(name: str) -> SolverEntry:
    """Return the entry of a solver.

    Raises:
        ConfigError: there is no such solver.
    """
    if name not in SOLVERS:
        raise ConfigError(f"sample.solver: no solver is named {name}; there are {', '.join(SOLVERS)}")
    return SOLVERS[name]


def make_solver(name: str, options: Mapping[str, float] | None = None) -> Solver:
    """Return a solver.

    Args:
        name: in ``config.solvers.SOLVERS``.
        options: settings by name; a solver takes its own, and its neutral values for those that are missing.

    Raises:
        ConfigError: there is no such solver.
    """
    solver: Solver = solver_entry(name).make(options or {})
    return solver


def evaluations(name: str, steps: int) -> int:
    """Return the number of evaluations of ``steps`` steps; 0 for a solver with step control.

    Raises:
        ConfigError: there is no such solver.
    """
    return solver_entry(name).evaluations(steps)
