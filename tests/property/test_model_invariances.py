"""What the architecture promises of the networks, losses and augmentation, for any system."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adit.config import DitModelConfig, VaeModelConfig
from adit.data.augment import Views, augment, center, rotate, rotations, translate
from adit.flow.grid import time_grid
from adit.flow.guidance import Guided
from adit.flow.loss import flow_loss
from adit.flow.path import center as center_noise
from adit.flow.solver import integrate
from adit.flow.solvers.registry import make_solver
from adit.model.conditions import encode as encode_conditions
from adit.model.conditions import null_conditions
from adit.model.dit import DiT
from adit.model.features import featurize
from adit.model.padding import pad, padding_mask, unpad
from adit.model.vae import VAE
from adit.systems import AtomicSystem, Kind, SystemBatch
from adit.train.vae import vae_losses
from tests.conftest import random_crystal, random_molecule
from tests.systems import batch_of

SMALL = VaeModelConfig(d_model=32, heads=4, encoder_layers=2, decoder_layers=2, latent_dim=4, encode_lattice=True)
FEW = settings(max_examples=15, deadline=None)


def vae() -> VAE:
    torch.manual_seed(0)
    return VAE(SMALL, 100).eval()


def dit() -> DiT:
    torch.manual_seed(0)
    module = DiT(DitModelConfig(d_model=32, heads=4, layers=2), 4).eval()
    for p in module.parameters():  # adaLN-zero makes the fresh network constant: give it something to say
        if not p.any():
            torch.nn.init.normal_(p, std=0.3)
    return module


@st.composite
def systems(draw: st.DrawFn) -> AtomicSystem:
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    n = draw(st.integers(1, 8))
    return random_crystal(random, n) if draw(st.booleans()) else random_molecule(random, n)


def in_company(system: AtomicSystem) -> SystemBatch:
    random = np.random.default_rng(7)
    return batch_of([random_crystal(random, 12, "x"), system, random_molecule(random, 3, "y")])


def encode(module: VAE, batch: SystemBatch, row: int, n: int) -> torch.Tensor:
    return module.encoder(featurize(batch)).mean[row, :n].detach()


@FEW
@given(systems())
def test_latents_do_not_depend_on_batch_mates(system: AtomicSystem) -> None:
    module, n = vae(), len(system)
    alone = encode(module, batch_of([system]), 0, n)
    torch.testing.assert_close(alone, encode(module, in_company(system), 1, n), atol=2e-5, rtol=1e-4)


@FEW
@given(systems(), st.randoms(use_true_random=False))
def test_latents_follow_a_permutation_of_atoms(system: AtomicSystem, random: object) -> None:
    order = np.random.default_rng(random.randint(0, 10**6)).permutation(len(system))  # type: ignore[attr-defined]
    permuted = AtomicSystem("p", system.kind, system.numbers[order], system.positions[order], system.cell)
    module, n = vae(), len(system)
    latents = encode(module, batch_of([system]), 0, n)
    moved = encode(module, batch_of([permuted]), 0, n)
    torch.testing.assert_close(latents[torch.from_numpy(order)], moved, atol=2e-5, rtol=1e-4)


@FEW
@given(systems())
def test_losses_do_not_depend_on_batch_mates(system: AtomicSystem) -> None:
    module = vae()

    def losses(batch: SystemBatch, row: int) -> dict[str, float]:
        features = featurize(batch)
        posterior = module.encoder(features)
        values = vae_losses(module.decoder(posterior.mean, features.mask), posterior, features, 1e-5)
        return {name: float(value[row].detach()) for name, value in values.items()}

    alone, company = losses(batch_of([system]), 0), losses(in_company(system), 1)
    assert alone == pytest.approx(company, rel=1e-3, abs=1e-5)


@FEW
@given(st.integers(1, 6), st.integers(0, 1000), st.sampled_from([1.0, 2.0]), st.sampled_from(["euler", "heun", "ab2"]))
def test_samples_do_not_depend_on_batch_mates(n: int, seed: int, guidance: float, solver: str) -> None:
    module = dit()
    random = torch.Generator().manual_seed(seed)
    noise, company = torch.randn(n, 4, generator=random), torch.randn(9, 4, generator=random)

    def run(parts: list[torch.Tensor]) -> torch.Tensor:
        mask = padding_mask(torch.tensor([len(p) for p in parts]))
        conditions = encode_conditions((), [Kind.CRYSTAL] * len(parts), [{}] * len(parts))
        predict = Guided(module, conditions, null_conditions((), len(parts)), mask, guidance)
        with torch.no_grad():
            return integrate(predict, pad(torch.cat(parts), mask), time_grid("uniform", 4), make_solver(solver))

    torch.testing.assert_close(run([noise])[0, :n], run([company, noise])[1, :n], atol=1e-4, rtol=1e-3)


@FEW
@given(st.integers(0, 1000))
def test_dit_follows_a_permutation_of_atoms(seed: int) -> None:
    module = dit()
    random = torch.Generator().manual_seed(seed)
    z, order = torch.randn(1, 7, 4, generator=random), torch.randperm(7, generator=random)
    t, mask = torch.tensor([0.3]), torch.ones(1, 7, dtype=torch.bool)
    conditions = encode_conditions((), [Kind.CRYSTAL], [{}])
    with torch.no_grad():
        moved = module(z[:, order], torch.zeros_like(z), t, conditions, mask)
        before = module(z, torch.zeros_like(z), t, conditions, mask)
        torch.testing.assert_close(before[:, order], moved, atol=1e-5, rtol=1e-4)


@FEW
@given(systems(), st.integers(0, 1000))
def test_rotation_keeps_fractional_coordinates_and_lattice(system: AtomicSystem, seed: int) -> None:
    batch = batch_of([system])
    turned = featurize(rotate(batch, rotations(Views.draw(1, torch.Generator().manual_seed(seed)).quaternion)))
    before = featurize(batch)
    difference = (turned.fractional - before.fractional).remainder(1.0)
    assert torch.minimum(difference, 1.0 - difference).max() < 1e-4
    torch.testing.assert_close(turned.lattice, before.lattice, atol=1e-3, rtol=1e-3)


@FEW
@given(systems(), st.integers(0, 1000))
def test_augmentation_keeps_distances(system: AtomicSystem, seed: int) -> None:
    batch = batch_of([system])
    moved = augment(batch, Views.draw(len(batch), torch.Generator().manual_seed(seed)), 1.0)
    assert np.allclose(distances(batch), distances(moved), atol=2e-3)


def distances(batch: SystemBatch) -> np.ndarray:
    """Return the sorted distances between the atoms of one system, over the images -2 … 2 of a crystal."""
    positions = batch.positions.double().numpy()
    shifts = (
        np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3)
        @ batch.cell[0].double().numpy()
    )
    vectors = positions[:, None, None] - positions[None, :, None] + shifts[None, None]
    return np.sort(np.linalg.norm(vectors, axis=-1).min(axis=-1).ravel())


@FEW
@given(systems(), st.integers(0, 1000))
def test_translation_over_the_cell_returns_to_the_start(system: AtomicSystem, seed: int) -> None:
    if system.cell is None:
        return
    batch = batch_of([system])
    moved = translate(batch, batch.cell[0].sum(dim=0)[None])
    torch.testing.assert_close(featurize(moved).lattice, featurize(batch).lattice)
    difference = (featurize(moved).fractional - featurize(batch).fractional).remainder(1.0)
    assert torch.minimum(difference, 1.0 - difference).max() < 1e-4


def test_rotations_are_uniform_over_so3() -> None:
    matrices = rotations(Views.draw(20000, torch.Generator().manual_seed(0)).quaternion).double()
    identity = torch.eye(3, dtype=torch.float64).expand(20000, 3, 3)
    torch.testing.assert_close(matrices @ matrices.transpose(1, 2), identity, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(matrices), torch.ones(20000, dtype=torch.float64), atol=1e-5, rtol=0)
    # Haar measure: every entry has mean 0 and variance 1/3, and the trace has mean 0 and variance 1.
    assert matrices.mean(dim=0).abs().max() < 0.02
    assert (matrices.var(dim=0) - 1 / 3).abs().max() < 0.02
    trace = matrices.diagonal(dim1=1, dim2=2).sum(-1)
    assert abs(float(trace.mean())) < 0.03
    assert abs(float(trace.var()) - 1.0) < 0.05


def test_one_rotation_and_one_translation_per_system(mixed: list[AtomicSystem]) -> None:
    batch = batch_of([mixed[1]] * 3)
    moved = augment(batch, Views.draw(len(batch), torch.Generator().manual_seed(0)), 1.0).positions.view(3, -1, 3)
    assert not torch.allclose(moved[0] - moved[0, :1], moved[1] - moved[1, :1], atol=1e-2)
    assert not torch.allclose(moved[0].mean(0), moved[1].mean(0), atol=1e-2)


def test_pad_and_unpad_are_inverse(mixed: list[AtomicSystem]) -> None:
    batch = batch_of(mixed)
    mask = padding_mask(batch.n_atoms)
    assert torch.equal(unpad(pad(batch.positions, mask), mask), batch.positions)


def test_centering_ignores_padding() -> None:
    mask = padding_mask(torch.tensor([2, 4]))
    values = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0)) * mask[..., None]
    centred = center_noise(values, mask)
    assert centred[0, :2].mean(0).abs().max() < 1e-6
    assert centred[1].mean(0).abs().max() < 1e-6
    assert not centred[0, 2:].any()


def test_flow_loss_is_the_papers_equation_in_double_precision() -> None:
    random = np.random.default_rng(0)
    sizes, d = [2, 5], 3
    clean, predicted = random.normal(size=(2, 5, d)), random.normal(size=(2, 5, d))
    t = np.array([0.4, 0.97])
    expected = [
        sum(np.sum((clean[b, i] - predicted[b, i]) ** 2) for i in range(n)) / n / (1 - min(t[b], 0.9)) ** 2
        for b, n in enumerate(sizes)
    ]
    got = flow_loss(
        torch.tensor(predicted), torch.tensor(clean), torch.tensor(t), padding_mask(torch.tensor(sizes)), 0.9
    )
    assert np.allclose(got.numpy(), expected, rtol=1e-12)


def test_center_moves_molecules_only(mixed: list[AtomicSystem]) -> None:
    batch = center(batch_of(mixed))
    assert batch.positions[batch.system_idx == 1].mean(0).abs().max() < 1e-5
    assert torch.equal(replace(batch).cell[0], batch_of(mixed).cell[0])
