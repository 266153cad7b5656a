"""Solvers, grids and guidance on problems whose answer is known."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from adit.config.solvers import SOLVERS
from adit.errors import ConfigError
from adit.flow.grid import GRIDS, time_grid
from adit.flow.guidance import Guided
from adit.flow.path import interpolate, logit_normal_times, velocity
from adit.flow.solver import Evaluation, Predict, Step, integrate
from adit.flow.solvers import adaptive
from adit.flow.solvers.registry import evaluations, make_solver
from adit.flow.solvers.stochastic import Ddim

MASK = torch.ones(2, 3, dtype=torch.bool)
FIXED = [name for name in SOLVERS if name != "adaptive"]
S = 0.5
"""Width of the data in the Gaussian flow."""


def solve(predict: Predict, noise: Tensor, solver: str, steps: int, grid: str = "uniform", **settings: float) -> Tensor:
    random = torch.Generator().manual_seed(1)
    instance = make_solver(solver, {"tolerance": 1e-6, **settings})
    return integrate(
        predict,
        noise,
        time_grid(grid, steps),
        instance,
        fresh=lambda: torch.randn(noise.shape, generator=random, dtype=noise.dtype),
    )


def gaussian(noisy: Tensor, previous: Tensor, t: Tensor) -> Tensor:
    """Data N(0, S²): the exact denoiser is linear, and the exact map of the ODE multiplies the noise by S."""
    time = t[:, None, None]
    return noisy * time * S**2 / ((1 - time) ** 2 + time**2 * S**2)


class Labels:
    """Conditions of a batch: a number a system."""

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def cat(self, other: Labels) -> Labels:
        return Labels(torch.cat([self.values, other.values]))


def guided(denoiser: object, guidance: float, interval: tuple[float, float] = (0.0, 1.0)) -> Guided:
    nulls = Labels(torch.full((2,), 9.0))
    return Guided(denoiser, Labels(torch.zeros(2)), nulls, MASK, guidance, interval)  # type: ignore[arg-type]


class Constant:
    """Predicts a fixed clean latent: one value with the label, another without."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.times: list[float] = []
        self.previous: list[Tensor] = []

    def __call__(self, noisy, previous, t, label, mask):  # type: ignore[no-untyped-def]
        self.calls.append(len(noisy))
        self.times.append(float(t[0]))
        self.previous.append(previous)
        assert float(t.max()) < 1.0
        return torch.where(label.values[:, None, None] == 0, 2.0, -1.0).expand_as(noisy).clone()


def test_a_weaker_denoiser_is_moved_away_from_where_guidance_acts() -> None:
    def weak(noisy: Tensor, previous: Tensor, t: Tensor, label: Labels, mask: Tensor) -> Tensor:
        return torch.where(label.values[:, None, None] == 0, 1.5, 7.0).expand_as(noisy)

    noisy, nulls = torch.zeros(2, 3, 4), Labels(torch.full((2,), 9.0))
    for guidance, t, said in ((1.0, 0.2, 3.0), (2.0, 0.2, 6.0), (1.0, 0.9, 2.0)):
        predict = Guided(Constant(), Labels(torch.zeros(2)), nulls, MASK, guidance, (0.0, 0.5), weak, 3.0)  # type: ignore[arg-type]
        assert predict(noisy, noisy, torch.full((2,), t))[MASK].unique().tolist() == [said]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("grid", GRIDS)
def test_a_constant_prediction_is_reached_exactly(solver: str, steps: int, grid: str) -> None:
    noise = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    out = solve(guided(Constant(), 1.0), noise, solver, steps, grid, churn=1.0, eta=0.7)
    torch.testing.assert_close(out, torch.full_like(out, 2.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("solver", "grid", "order"),
    [
        ("euler", "uniform", 1),
        ("euler", "quadratic", 1),
        ("heun", "uniform", 2),
        ("heun", "quadratic", 2),
        ("ab2", "uniform", 2),
        ("ab2", "quadratic", 2),
        ("exp-ab2", "quadratic", 2),
        ("sde", "uniform", 2),
    ],
)
def test_the_order_of_a_solver_is_its_rate_of_convergence(solver: str, grid: str, order: int) -> None:
    noise = torch.ones(2, 3, 4, dtype=torch.float64)
    errors = [float((solve(gaussian, noise, solver, n, grid) - S).abs().max()) for n in (80, 160, 320, 640)]
    rates = [math.log2(a / b) for a, b in pairwise(errors)]
    assert rates[-1] == pytest.approx(order, abs=0.1)
    assert all(rate == pytest.approx(order, abs=0.25) for rate in rates)


def test_the_exponential_solver_nears_order_2_on_a_uniform_grid() -> None:
    """Its last steps lack the smoothness that order 2 takes: the error is h² log(1/h), unless they get smaller."""
    noise = torch.ones(2, 3, 4, dtype=torch.float64)
    errors = [float((solve(gaussian, noise, "exp-ab2", n) - S).abs().max()) for n in (80, 160, 320, 640)]
    scaled = [error * n**2 / math.log(n) for error, n in zip(errors, (80, 160, 320, 640), strict=True)]
    assert max(scaled) / min(scaled) < 1.3


def test_a_multistep_solver_beats_euler_at_equal_cost() -> None:
    noise = torch.ones(2, 3, 4, dtype=torch.float64)

    def error(solver: str, grid: str) -> float:
        return float((solve(gaussian, noise, solver, 40, grid) - S).abs().max())

    assert error("ab2", "uniform") < error("euler", "uniform") / 10
    assert error("exp-ab2", "quadratic") < error("euler", "quadratic") / 10


def test_the_adaptive_solver_keeps_its_tolerance(caplog: pytest.LogCaptureFixture) -> None:
    noise = torch.ones(2, 3, 4, dtype=torch.float64)
    assert float((solve(gaussian, noise, "adaptive", 1) - S).abs().max()) < 1e-3  # of the Euler step from t = 0.999
    assert "step control ended" not in caplog.text


def test_heun_finishes_the_path_where_step_control_ends_early(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(adaptive, "LIMIT", 20)
    noise = torch.ones(2, 3, 4, dtype=torch.float64)
    steps = list(adaptive.Adaptive(1e-9)(Evaluation(gaussian, noise), noise, (0.0, 1.0), None))
    assert "step control ended at t = 0." in caplog.text
    times = [step.t for step in steps[-adaptive.STEPS_LEFT - 1 :]]
    assert times[-1] == 1.0
    assert np.diff(times) == pytest.approx(np.full(adaptive.STEPS_LEFT, (1.0 - times[0]) / adaptive.STEPS_LEFT))
    assert float((steps[-1].latents - S).abs().max()) < 1e-3


def test_churn_keeps_the_distribution() -> None:
    """Fresh noise replaces what it takes away: the samples of a Gaussian flow keep their width."""
    noise = torch.randn(200, 50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    out = solve(gaussian, noise, "sde", 50, churn=10.0)
    assert float(out.std()) == pytest.approx(S, rel=0.02)
    correlation = float((out * noise).mean() / out.std() / noise.std())
    assert correlation < 0.9  # it is not the map of the ODE, for which this is 1


@pytest.mark.parametrize("eta", [0.5, 1.0, 2.0])
def test_noise_drawn_anew_keeps_the_distribution(eta: float) -> None:
    noise = torch.randn(200, 50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    out = solve(gaussian, noise, "ddim", 800, eta=eta)
    assert float(out.std()) == pytest.approx(S, rel=0.03)
    correlation = float((out * noise).mean() / out.std() / noise.std())
    assert correlation < {0.5: 0.98, 1.0: 0.9, 2.0: 0.5}[eta]  # 1 is the map of the ODE


def test_a_low_temperature_narrows_the_distribution() -> None:
    noise = torch.randn(200, 50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    widths = [float(solve(gaussian, noise, "ddim", 200, eta=1.0, temperature=t).std()) for t in (1.0, 0.8, 0.5)]
    assert widths[0] > 1.1 * widths[1] > 1.2 * widths[2]


def test_ddim_that_draws_nothing_anew_is_euler() -> None:
    noise = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(solve(gaussian, noise, "ddim", 9), solve(gaussian, noise, "euler", 9))

    def fresh() -> Tensor:
        raise AssertionError("noise is drawn, which changes the noise of everything that is drawn after it")

    integrate(gaussian, noise, time_grid("uniform", 3), make_solver("ddim"), fresh=fresh)


def test_the_ancestral_step_has_the_posteriors_variance() -> None:
    """That of z_s given z_t and the clean latents, from that of z_t given z_s by Bayes."""
    t, s = 0.25, 0.5
    spread = (1 - t) ** 2 - (t / s) ** 2 * (1 - s) ** 2  # variance of z_t given z_s
    posterior = (1 - s) ** 2 * spread / (1 - t) ** 2
    share = Ddim(1.0, 1.0)._share(t, s)
    assert (share * (1 - s)) ** 2 == pytest.approx(posterior)


def test_without_churn_the_sde_is_heun() -> None:
    noise = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(solve(gaussian, noise, "sde", 9), solve(gaussian, noise, "heun", 9))


@pytest.mark.parametrize("solver", FIXED)
def test_a_prediction_is_told_the_one_before(solver: str) -> None:
    denoiser = Constant()
    solve(guided(denoiser, 1.0), torch.zeros(2, 3, 4), solver, 3)
    assert len(denoiser.calls) == evaluations(solver, 3)
    assert not denoiser.previous[0].any()
    assert all((previous == 2.0).all() for previous in denoiser.previous[1:])


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_model_without_self_conditioning_is_told_nothing(solver: str) -> None:
    denoiser = Constant()
    instance = make_solver(solver)
    integrate(guided(denoiser, 1.0), torch.zeros(2, 3, 4), time_grid("uniform", 3), instance, self_conditioning=False)
    assert not any(previous.any() for previous in denoiser.previous)


def test_steps_are_shown_one_by_one() -> None:
    seen: list[Step] = []
    noise = torch.ones(2, 3, 4, dtype=torch.float64)
    out = integrate(gaussian, noise, time_grid("uniform", 4), make_solver("heun"), on_step=seen.append)
    assert [step.t for step in seen] == [0.25, 0.5, 0.75, 1.0]
    assert torch.equal(seen[-1].latents, out)


def test_guidance_combines_both_predictions_in_one_evaluation() -> None:
    denoiser = Constant()
    out = solve(guided(denoiser, 2.0), torch.zeros(2, 3, 4), "euler", 3)
    torch.testing.assert_close(out, torch.full_like(out, (1 - 2.0) * -1.0 + 2.0 * 2.0))
    assert denoiser.calls == [4, 4, 4]


def test_no_unconditional_evaluation_without_guidance() -> None:
    denoiser = Constant()
    solve(guided(denoiser, 1.0), torch.zeros(2, 3, 4), "euler", 2)
    assert denoiser.calls == [2, 2]


def test_no_conditional_evaluation_with_guidance_zero() -> None:
    denoiser = Constant()
    out = solve(guided(denoiser, 0.0), torch.zeros(2, 3, 4), "euler", 2)
    assert denoiser.calls == [2, 2]
    torch.testing.assert_close(out, torch.full_like(out, -1.0))


def test_guidance_acts_within_its_interval_alone() -> None:
    denoiser = Constant()
    solve(guided(denoiser, 2.0, (0.25, 0.5)), torch.zeros(2, 3, 4), "euler", 8)
    assert [t for t, rows in zip(denoiser.times, denoiser.calls, strict=True) if rows == 4] == [0.25, 0.375, 0.5]


@pytest.mark.parametrize("grid", GRIDS)
def test_grids_lead_from_zero_to_one(grid: str) -> None:
    for steps in (1, 2, 9, 1000):
        times = time_grid(grid, steps)
        assert len(times) == steps + 1
        assert times[0] == 0.0
        assert times[-1] == 1.0
        assert all(a < b for a, b in pairwise(times))


def test_grids_are_what_they_say() -> None:
    quadratic = time_grid("quadratic", 10)
    assert quadratic == pytest.approx([1.0 - (1.0 - n / 10) ** 2 for n in range(11)])
    assert time_grid("uniform", 4) == (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(("steps", "guidance"), [(0, 1.0), (5, -0.1)])
def test_senseless_requests_are_refused(steps: int, guidance: float) -> None:
    with pytest.raises(ConfigError, match="sampling needs"):
        solve(guided(Constant(), guidance), torch.zeros(2, 3, 4), "euler", steps)


def test_a_senseless_interval_is_refused() -> None:
    with pytest.raises(ConfigError, match="guidance interval"):
        guided(Constant(), 2.0, (0.9, 0.1))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="no solver is named rk9; there are euler"):
        make_solver("rk9")
    with pytest.raises(ConfigError, match="no grid is named cubic"):
        time_grid("cubic", 3)


def test_interpolant_and_velocity_agree() -> None:
    noise, clean, t = torch.zeros(2, 3, 4), torch.ones(2, 3, 4), torch.tensor([0.25, 0.5])
    noisy = interpolate(noise, clean, t)
    torch.testing.assert_close(velocity(clean, noisy, t), clean - noise)


def test_logit_normal_times_have_the_distribution() -> None:
    times = logit_normal_times(torch.linspace(0.0, 1.0, 10_001)[:-1], 0.5, 1.5)
    logits = torch.logit(times[50:-50].double())
    assert ((times > 0) & (times < 1)).all()
    assert logits.median().item() == pytest.approx(0.5, abs=0.01)
    assert times.median().item() == pytest.approx(torch.sigmoid(torch.tensor(0.5)).item(), abs=0.01)
    quartiles = torch.quantile(torch.logit(times.double()), torch.tensor([0.25, 0.75], dtype=torch.float64))
    assert (quartiles[1] - quartiles[0]).item() == pytest.approx(1.5 * 1.349, rel=0.01)
