"""What the equivariant autoencoder promises, for any system: how its latents follow rotations, shifts and orders."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from adit.config import VaeModelConfig
from adit.data.augment import Views, rotate, rotations, translate
from adit.model.features import Features, featurize
from adit.model.neighbors import pairs_within
from adit.model.posterior import Posterior
from adit.model.vae import VAE
from adit.systems import AtomicSystem, SystemBatch
from tests.conftest import random_crystal, random_molecule
from tests.property.test_model_invariances import in_company, systems
from tests.systems import batch_of as joined

pytest.importorskip("e3nn")

CONFIG = VaeModelConfig(
    d_model=16,
    heads=2,
    encoder_layers=2,
    decoder_layers=2,
    latent_dim=8,
    encoder="equivariant",
    cutoff=4.0,
    latent_vectors=2,
    encode_lattice=True,
)
FEW = settings(max_examples=12, deadline=None)
CLOSE = {"atol": 2e-6, "rtol": 1e-5}


@pytest.fixture(scope="module", autouse=True)
def in_double_precision():  # type: ignore[no-untyped-def]
    """Rounding is not a part of what is tested here."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@cache
def module() -> VAE:
    torch.manual_seed(0)
    return VAE(CONFIG, 100).double().eval()


def double(batch: SystemBatch) -> SystemBatch:
    return replace(batch, positions=batch.positions.double(), cell=batch.cell.double())


def batch_of(*rows: AtomicSystem) -> SystemBatch:
    return double(joined(rows))


@torch.no_grad()
def encode(batch: SystemBatch, fractional_of: Features | None = None) -> Posterior:
    features = featurize(batch)
    if fractional_of is not None:
        features = replace(features, fractional=fractional_of.fractional)
    return module().encoder(features)


def turned(latents: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Return latents with their vectors turned."""
    scalars, vectors = latents[..., :2], latents[..., 2:].unflatten(-1, (2, 3))
    return torch.cat([scalars, (vectors @ matrix.T).flatten(-2)], dim=-1)


def view(seed: int) -> torch.Tensor:
    return rotations(Views.draw(1, torch.Generator().manual_seed(seed)).quaternion.double())


@FEW
@given(systems(), st.integers(0, 1000), st.sampled_from([1.0, -1.0]))
def test_latents_turn_with_the_system(system: AtomicSystem, seed: int, mirror: float) -> None:
    batch, matrix = batch_of(system), mirror * view(seed)
    before, after = encode(batch), encode(rotate(batch, matrix), featurize(batch))
    torch.testing.assert_close(turned(before.mean, matrix[0]), after.mean, **CLOSE)
    torch.testing.assert_close(before.logvar, after.logvar, **CLOSE)
    assert torch.equal(before.logvar[..., 2], before.logvar[..., 4])


def test_vectors_are_not_zero_and_not_all_the_same() -> None:
    mean = encode(batch_of(random_molecule(np.random.default_rng(0), 6))).mean[0]
    assert mean[:, 2:].abs().min() > 1e-4
    assert (mean - mean[:1]).abs().amax(0).min() > 1e-4


@FEW
@given(systems(), st.integers(0, 1000))
def test_moving_a_system_changes_nothing_but_fractional_coordinates(system: AtomicSystem, seed: int) -> None:
    batch = batch_of(system)
    shift = torch.randn(1, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3
    moved = encode(translate(batch, shift), featurize(batch))
    torch.testing.assert_close(encode(batch).mean, moved.mean, **CLOSE)


def test_crystals_tell_where_their_atoms_are_in_the_cell() -> None:
    batch = batch_of(random_crystal(np.random.default_rng(0), 4))
    moved = translate(batch, torch.tensor([[0.3, 0.0, 0.0]]))
    assert (encode(batch).mean - encode(moved).mean).abs().max() > 1e-3


@FEW
@given(systems(), st.integers(0, 1000))
def test_latents_follow_a_permutation_of_atoms(system: AtomicSystem, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(system))
    permuted = AtomicSystem("p", system.kind, system.numbers[order], system.positions[order], system.cell)
    before, after = encode(batch_of(system)).mean[0], encode(batch_of(permuted)).mean[0]
    torch.testing.assert_close(before[torch.from_numpy(order)], after, **CLOSE)


@FEW
@given(systems())
def test_latents_and_what_is_decoded_do_not_depend_on_batch_mates(system: AtomicSystem) -> None:
    n, company = len(system), double(in_company(system))
    alone, together = encode(batch_of(system)).mean[0], encode(company).mean[1, :n]
    torch.testing.assert_close(alone, together, **CLOSE)
    with torch.no_grad():
        one = module().decoder(alone[None], torch.ones(1, n, dtype=torch.bool))
        all_of_them = module().decoder(encode(company).mean, featurize(company).mask)
    torch.testing.assert_close(one.lattice[0], all_of_them.lattice[1], **CLOSE)
    torch.testing.assert_close(one.positions[0], all_of_them.positions[1, :n], **CLOSE)


@FEW
@given(st.integers(1, 9), st.integers(0, 1000))
def test_heads_turn_positions_and_nothing_else(n: int, seed: int) -> None:
    latents = torch.randn(1, n, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    matrix, mask = view(seed)[0], torch.ones(1, n, dtype=torch.bool)
    with torch.no_grad():
        before, after = module().decoder(latents, mask), module().decoder(turned(latents, matrix), mask)
    torch.testing.assert_close(before.positions @ matrix.T, after.positions, **CLOSE)
    for name in ("logits", "fractional", "lattice"):
        torch.testing.assert_close(getattr(before, name), getattr(after, name), **CLOSE)


@FEW
@given(systems(), st.floats(1.0, 6.0))
def test_pairs_are_those_of_a_plain_search(system: AtomicSystem, cutoff: float) -> None:
    pairs = pairs_of(system, cutoff)
    expected = distances_searched(system, cutoff)
    assume(not np.any(np.abs(expected - cutoff) < 1e-6))
    assert np.allclose(pairs, expected[expected < cutoff], atol=1e-9)


def pairs_of(system: AtomicSystem, cutoff: float) -> np.ndarray:
    batch = double(in_company(system))
    pairs = pairs_within(batch.positions, batch.n_atoms, batch.cell, batch.periodic, cutoff)
    of_system = batch.system_idx[pairs.target] == 1
    assert torch.equal(batch.system_idx[pairs.target], batch.system_idx[pairs.source])
    return np.sort(torch.linalg.norm(pairs.vectors[of_system], dim=1).numpy())


def distances_searched(system: AtomicSystem, cutoff: float) -> np.ndarray:
    """Return all distances over plenty of images, sorted."""
    positions = system.positions.astype(np.float32).astype(float)
    shifts = np.zeros((1, 3))
    if system.cell is not None:
        cell = system.cell.astype(np.float32).astype(float)
        heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
        ranges = [np.arange(-k, k + 1) for k in np.ceil(cutoff / heights).astype(int) + 2]
        shifts = np.array(list(itertools.product(*ranges))) @ cell
    vectors = positions[None, :, None] - positions[:, None, None] + shifts
    distances = np.linalg.norm(vectors, axis=-1).ravel()
    return np.sort(distances[distances < cutoff + 1e-3])
