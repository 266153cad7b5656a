"""Path, loss, guidance and sampling against the paper's equations in numpy and double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adit.flow.grid import time_grid
from adit.flow.guidance import Guided
from adit.flow.loss import flow_loss
from adit.flow.path import center, interpolate, velocity
from adit.flow.solver import integrate
from adit.flow.solvers.registry import make_solver
from adit.model.conditions import NULL_KIND, Conditions
from adit.model.padding import padding_mask
from tests import reference
from tests.unit.model.test_reference import EXACT, SIZES, assert_slopes, dit, dit_inputs, numpy_weights


def random_pair(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    noise, clean = (torch.randn(3, 6, 4, generator=random, dtype=torch.float64) for _ in range(2))
    return noise, clean


def test_the_path_is_equation_9_and_its_derivative_equation_10() -> None:
    noise, clean = random_pair()
    t = torch.tensor([0.01, 0.5, 0.97], dtype=torch.float64)
    noisy = interpolate(noise, clean, t)
    for b in range(3):
        time = float(t[b])
        np.testing.assert_allclose(noisy[b].numpy(), (1 - time) * noise[b].numpy() + time * clean[b].numpy(), **EXACT)
    h = 1e-6
    derivative = (interpolate(noise, clean, t + h) - interpolate(noise, clean, t - h)) / (2 * h)
    torch.testing.assert_close(velocity(clean, noisy, t), derivative, atol=1e-8, rtol=1e-8)
    for b in range(3):
        np.testing.assert_allclose(
            velocity(clean, noisy, t)[b].numpy(),
            reference.field(clean[b].numpy(), noisy[b].numpy(), float(t[b])),
            **EXACT,
        )


def test_noise_is_centred_over_the_atoms_of_a_system() -> None:
    noise, _ = random_pair()
    mask = padding_mask(torch.tensor(SIZES))
    got = center(noise, mask)
    for b, n in enumerate(SIZES):
        rows = noise[b, :n].numpy()
        np.testing.assert_allclose(got[b, :n].numpy(), rows - rows.sum(axis=0) / n, **EXACT)
        assert not got[b, n:].any()


def test_the_loss_is_equation_12_clipped_with_its_gradient() -> None:
    noise, clean = random_pair()
    predicted = random_pair(1)[0].requires_grad_()
    t = torch.tensor([0.3, 0.89, 0.97], dtype=torch.float64)
    noisy, mask = interpolate(noise, clean, t), padding_mask(torch.tensor(SIZES))
    losses = flow_loss(predicted, clean, t, mask, 0.9)
    (gradient,) = torch.autograd.grad(losses.sum(), predicted)
    for b, n in enumerate(SIZES):
        z, z_, time = clean[b, :n].numpy(), predicted[b, :n].detach().numpy(), float(t[b])
        expected = reference.flow_loss(z_, z, noisy[b, :n].numpy(), time)
        assert float(losses[b].detach()) == pytest.approx(expected, rel=1e-10)
        by_hand = -2.0 * (z - z_) / (n * (1.0 - min(time, 0.9)) ** 2)
        np.testing.assert_allclose(gradient[b, :n].numpy(), by_hand, **EXACT)
        assert not gradient[b, n:].any()
    assert torch.autograd.gradcheck(lambda p: flow_loss(p, clean, t, mask, 0.9), predicted)


def test_gradients_of_the_denoiser_are_those_of_the_numpy_loss() -> None:
    module, (noisy, previous, t, conditions, mask) = dit(), dit_inputs()
    _, clean = random_pair()
    loss = flow_loss(module(noisy, previous, t, conditions, mask), clean, t, mask, 0.9).sum()

    def by_numpy(w: reference.Weights) -> float:
        total = 0.0
        for b, n in enumerate(SIZES):
            z, time, label = noisy[b, :n].numpy(), float(t[b]), int(conditions.kind[b])
            predicted = reference.denoise(w, z, previous[b, :n].numpy(), time, label, heads=2, layers=2)
            total += reference.flow_loss(predicted, clean[b, :n].numpy(), z, time)
        return total

    assert float(loss.detach()) == pytest.approx(by_numpy(numpy_weights(module)), rel=1e-10)
    assert_slopes(module, loss, by_numpy)


@pytest.mark.parametrize("guidance", [0.0, 1.0, 2.0])
def test_guidance_is_line_6_of_algorithm_3(guidance: float) -> None:
    module, (noisy, previous, _, _, mask) = dit(), dit_inputs()
    conditions, nulls = (Conditions(torch.full((3,), label), {}) for label in (1, NULL_KIND))
    with torch.no_grad():
        got = Guided(module, conditions, nulls, mask, guidance)(
            noisy, previous, torch.full((3,), 0.4, dtype=torch.float64)
        )
    w = numpy_weights(module)
    for b, n in enumerate(SIZES):
        conditional, unconditional = (
            reference.denoise(w, noisy[b, :n].numpy(), previous[b, :n].numpy(), 0.4, label, 2, 2)
            for label in (1, NULL_KIND)
        )
        expected = (1 - guidance) * unconditional + guidance * conditional
        np.testing.assert_allclose(got[b, :n].numpy(), expected, **EXACT)
        assert not got[b, n:].any()


@pytest.mark.parametrize(("steps", "guidance"), [(1, 2.0), (5, 1.0), (5, 2.0)])
def test_sampling_is_algorithm_3(steps: int, guidance: float) -> None:
    module, mask = dit(), padding_mask(torch.tensor(SIZES))
    noise = center(random_pair()[0], mask)
    conditions, nulls = (Conditions(torch.full((3,), label), {}) for label in (0, NULL_KIND))
    predict = Guided(module, conditions, nulls, mask, guidance)
    with torch.no_grad():
        got = integrate(predict, noise, time_grid("uniform", steps), make_solver("euler"))
    w = numpy_weights(module)
    for b, n in enumerate(SIZES):
        expected = reference.sample(w, noise[b, :n].numpy(), steps, guidance, 0, NULL_KIND, heads=2, layers=2)
        np.testing.assert_allclose(got[b, :n].numpy(), expected, atol=1e-9, rtol=1e-8)
