"""The guided Euler solver on problems whose answer is known."""

from __future__ import annotations

import pytest
import torch

from adit.errors import ConfigError
from adit.flow.guidance import Guided
from adit.flow.path import interpolate, velocity
from adit.flow.solver import euler

MASK = torch.ones(2, 3, dtype=torch.bool)


class Labels:
    """Conditions of a batch: a number a system."""

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values

    def cat(self, other: Labels) -> Labels:
        return Labels(torch.cat([self.values, other.values]))


def guided(denoiser: object, guidance: float) -> Guided:
    return Guided(denoiser, Labels(torch.zeros(2)), Labels(torch.full((2,), 9.0)), MASK, guidance)  # type: ignore[arg-type]


class Constant:
    """Predicts a fixed clean latent: one value with the label, another without."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.previous: list[torch.Tensor] = []

    def __call__(self, noisy, previous, t, label, mask):  # type: ignore[no-untyped-def]
        self.calls.append(len(noisy))
        self.previous.append(previous)
        assert float(t.max()) < 1.0
        return torch.where(label.values[:, None, None] == 0, 2.0, -1.0).expand_as(noisy).clone()


@pytest.mark.parametrize("steps", [1, 7, 50])
def test_a_constant_prediction_is_reached_exactly(steps: int) -> None:
    noise = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    out = euler(guided(Constant(), 1.0), noise, steps=steps)
    torch.testing.assert_close(out, torch.full_like(out, 2.0), atol=1e-5, rtol=0)


def test_guidance_combines_both_predictions_in_one_evaluation() -> None:
    denoiser = Constant()
    out = euler(guided(denoiser, 2.0), torch.zeros(2, 3, 4), steps=3)
    torch.testing.assert_close(out, torch.full_like(out, (1 - 2.0) * -1.0 + 2.0 * 2.0))
    assert denoiser.calls == [4, 4, 4]


def test_no_unconditional_evaluation_without_guidance() -> None:
    denoiser = Constant()
    euler(guided(denoiser, 1.0), torch.zeros(2, 3, 4), steps=2)
    assert denoiser.calls == [2, 2]


def test_a_prediction_is_the_next_steps_self_conditioning() -> None:
    denoiser = Constant()
    euler(guided(denoiser, 1.0), torch.zeros(2, 3, 4), steps=2)
    assert not denoiser.previous[0].any()
    assert (denoiser.previous[1] == 2.0).all()


def test_euler_is_of_first_order_on_a_gaussian() -> None:
    """Data N(0, s²): the exact denoiser is linear, the exact map multiplies the noise by s."""
    s = 0.5

    def denoiser(noisy, previous, t, label, mask):  # type: ignore[no-untyped-def]
        time = t[:, None, None]
        return noisy * time * s**2 / ((1 - time) ** 2 + time**2 * s**2)

    noise = torch.ones(2, 3, 4, dtype=torch.float64)
    errors = [float((euler(guided(denoiser, 1.0), noise, steps=n) - s).abs().max()) for n in (50, 100, 200)]
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize(("steps", "guidance"), [(0, 1.0), (5, -0.1)])
def test_senseless_requests_are_refused(steps: int, guidance: float) -> None:
    with pytest.raises(ConfigError, match="sampling needs"):
        euler(guided(Constant(), guidance), torch.zeros(2, 3, 4), steps=steps)


def test_interpolant_and_velocity_agree() -> None:
    noise, clean, t = torch.zeros(2, 3, 4), torch.ones(2, 3, 4), torch.tensor([0.25, 0.5])
    noisy = interpolate(noise, clean, t)
    torch.testing.assert_close(velocity(clean, noisy, t), clean - noise)
