"""The solvers: the one list that a new solver is added to (docs/extending.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import AfterValidator, WithJsonSchema

from adit.config.base import load_place


@dataclass(frozen=True)
class SolverEntry:
    """Properties of a solver that are needed without loading it.

    Attributes:
        name: name in the configuration.
        place: ``module:class`` of the solver; the class takes the options by name.
        order: order of convergence in the step size.
        evaluations_a_step: calls of the denoiser per step; 0 for a solver with step control.
        options: this solver's own settings of ``sample``, with their neutral values.
        stochastic: the option that adds noise along the path; empty if there is none.
        alone: whether each system needs its own batch, because steps depend on all systems of a batch.
    """

    name: str
    place: str
    order: int
    evaluations_a_step: int = 1
    options: Mapping[str, float] = field(default_factory=dict)
    stochastic: str = ""
    alone: bool = False

    def evaluations(self, steps: int) -> int:
        """Return the number of calls of the denoiser in ``steps`` steps, of which the last takes one; 0 if unknown."""
        return max(0, self.evaluations_a_step * steps - (self.evaluations_a_step - 1)) if self.evaluations_a_step else 0

    def make(self, options: Mapping[str, float]) -> Any:
        """Return the solver with its options; options of other solvers are ignored."""
        own = {key: options[key] for key in self.options if key in options}
        return load_place(self.place)(**{**self.options, **own})


_ROOM: Final = "adit.flow.solvers"

SOLVERS: Final[dict[str, SolverEntry]] = {
    entry.name: entry
    for entry in (
        SolverEntry("euler", f"{_ROOM}.one_step:Euler", 1),
        SolverEntry("heun", f"{_ROOM}.one_step:Heun", 2, 2),
        SolverEntry("ab2", f"{_ROOM}.multistep:AdamsBashforth2", 2),
        SolverEntry("exp-ab2", f"{_ROOM}.multistep:ExponentialAdamsBashforth2", 2),
        SolverEntry("sde", f"{_ROOM}.one_step:Churned", 2, 2, {"churn": 0.0}, stochastic="churn"),
        SolverEntry("ddim", f"{_ROOM}.stochastic:Ddim", 1, 1, {"eta": 0.0, "temperature": 1.0}, stochastic="eta"),
        SolverEntry("adaptive", f"{_ROOM}.adaptive:Adaptive", 5, 0, {"tolerance": 1e-3}, alone=True),
    )
}
"""Solvers by name."""


def _listed(name: str) -> str:
    if name not in SOLVERS:
        raise ValueError(f"no solver is named {name}; there are {', '.join(SOLVERS)}")
    return name


SolverName = Annotated[str, AfterValidator(_listed), WithJsonSchema({"enum": list(SOLVERS), "type": "string"})]
"""Name of a solver in ``SOLVERS``."""
