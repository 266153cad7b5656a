"""The solvers: the one list that a new solver is added to (docs/extending.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import AfterValidator, WithJsonSchema

from adit.config.base import load_place


@dataclass(frozen=True)
class SolverEntry:
    """What is known of a solver wherever its name stands.

    Attributes:
        name: in the configuration.
        place: ``module:class`` of the solver; the class takes the options by name.
        order: of the error in the step size.
        evaluations_a_step: calls of the denoiser; 0 where they are not known beforehand.
        options: settings of ``sample`` that are this solver's own, with the values that leave it plain.
        stochastic: the option that adds noise along the path, where one does.
        alone: whether its steps depend on all systems of a batch, so that it gets one system at a time.
    """

    name: str
    place: str
    order: int
    evaluations_a_step: int = 1
    options: Mapping[str, float] = field(default_factory=dict)
    stochastic: str = ""
    alone: bool = False

    def evaluations(self, steps: int) -> int:
        """Return how many evaluations ``steps`` steps take; the last step takes one (0 where it is not known)."""
        return max(0, self.evaluations_a_step * steps - (self.evaluations_a_step - 1)) if self.evaluations_a_step else 0

    def make(self, options: Mapping[str, float]) -> Any:
        """Return the solver with its options; those of other solvers are left out."""
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


def _listed(name: str) -> str:
    if name not in SOLVERS:
        raise ValueError(f"no solver is named {name}; there are {', '.join(SOLVERS)}")
    return name


SolverName = Annotated[str, AfterValidator(_listed), WithJsonSchema({"enum": list(SOLVERS), "type": "string"})]
