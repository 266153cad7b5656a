"""The vector field of Eq. 10, and that the solvers take theirs from it."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from torch import Tensor

from adit.flow import path
from adit.flow.grid import time_grid
from adit.flow.solver import integrate
from adit.flow.solvers import adaptive, multistep, one_step
from adit.flow.solvers.registry import make_solver

NOISY, CLEAN = torch.full((2, 1, 1), 1.0), torch.full((2, 1, 1), 4.0)


def test_velocity_of_one_time_and_of_a_time_per_system() -> None:
    assert path.velocity(CLEAN, NOISY, torch.tensor([0.0, 0.5])).flatten().tolist() == [3.0, 6.0]
    assert path.velocity(CLEAN, NOISY, 0.5).flatten().tolist() == [6.0, 6.0]
    assert path.velocity(CLEAN, NOISY, 0.5, step=0.25).flatten().tolist() == [1.5, 1.5]


@pytest.mark.parametrize(
    ("name", "module", "fields"),
    [
        ("euler", one_step, 3),  # the last of four steps ends at the prediction itself
        ("heun", one_step, 3 * 3),  # one for the trial step, one at each end
        ("sde", one_step, 3 * 3),
        ("ab2", multistep, 4),
        ("adaptive", adaptive, 7),
    ],
)
def test_solvers_integrate_the_field_of_eq_10(
    monkeypatch: pytest.MonkeyPatch, name: str, module: ModuleType, fields: int
) -> None:
    calls: list[float] = []

    def counted(clean: Tensor, noisy: Tensor, t: float, *, step: float | None = None) -> Tensor:
        calls.append(t)
        return path.velocity(clean, noisy, t, step=step)

    monkeypatch.setattr(module, "velocity", counted)
    integrate(
        lambda noisy, previous, t: torch.zeros_like(noisy),
        NOISY,
        time_grid("uniform", 4),
        make_solver(name, {"churn": 0.0}),
    )
    assert len(calls) >= fields
    assert name == "adaptive" or len(calls) == fields
