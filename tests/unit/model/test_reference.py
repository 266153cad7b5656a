"""The networks against implementations of the paper's equations in numpy and double precision: values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from adit.config import DitModelConfig, VaeModelConfig
from adit.model.blocks import SelfAttention, TimeEmbedding, fused_attention, matmul_attention
from adit.model.conditions import NULL_KIND, Conditions
from adit.model.dit import DiT, DitBlock
from adit.model.features import Features, featurize
from adit.model.padding import padding_mask
from adit.model.vae import VAE, Posterior
from adit.systems import AtomicSystem
from adit.train.vae import reconstruction_losses, vae_losses
from tests import reference
from tests.systems import batch_of

VAE_CONFIG = VaeModelConfig(d_model=16, heads=2, encoder_layers=2, decoder_layers=1, latent_dim=4)
DIT_CONFIG = DitModelConfig(d_model=16, heads=2, layers=2)
SIZES = (4, 1, 6)
EXACT = {"atol": 1e-11, "rtol": 1e-10}


def unsettled(module: nn.Module, seed: int = 0) -> nn.Module:
    """Return the module in double precision with every weight moved, those that start at 0 or 1 too."""
    random = torch.Generator().manual_seed(seed)
    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=random, dtype=torch.float64))
    return module


def numpy_weights(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().copy() for name, value in module.named_parameters()}


def vae() -> VAE:
    torch.manual_seed(0)
    module = unsettled(VAE(VAE_CONFIG, 100))
    assert isinstance(module, VAE)
    return module


def dit(config: DitModelConfig = DIT_CONFIG) -> DiT:
    torch.manual_seed(0)
    module = unsettled(DiT(config, 4))
    assert isinstance(module, DiT)
    module.time.frequencies = 10000.0 ** (-torch.arange(128, dtype=torch.float64) / 128)
    return module


def features_of(systems: list[AtomicSystem]) -> Features:
    batch = batch_of(systems)
    batch.positions, batch.cell = batch.positions.double(), batch.cell.double()
    return featurize(batch)


def inputs_of(features: Features, b: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return numbers, x and f of one system, without padding."""
    n = int(features.mask[b].sum())
    numbers, x, f = (v[b, :n].numpy() for v in (features.numbers, features.positions, features.fractional))
    return numbers, x, f


def latent_noise(features: Features) -> torch.Tensor:
    random = torch.Generator().manual_seed(3)
    return torch.randn(*features.mask.shape, 4, generator=random, dtype=torch.float64)


def assert_slopes(module: nn.Module, loss: torch.Tensor, by_numpy: object, seed: int = 5) -> None:
    """Compare the gradient of every tensor, along a random direction, with the central difference in numpy."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, parameters)
    random, weights = np.random.default_rng(seed), numpy_weights(module)
    for name, gradient in zip(names, gradients, strict=True):
        direction = random.normal(size=gradient.shape)
        expected = reference.slope(by_numpy, weights, name, direction)  # type: ignore[arg-type]
        assert float((gradient.numpy() * direction).sum()) == pytest.approx(expected, rel=2e-6, abs=1e-8), name


# --- inputs -----------------------------------------------------------------------------------------------------------


def test_inputs_are_the_papers(mixed: list[AtomicSystem]) -> None:
    features = features_of(mixed)
    for b, system in enumerate(mixed):
        numbers, x, f = inputs_of(features, b)
        assert np.array_equal(numbers, system.numbers)
        np.testing.assert_allclose(10.0 * x, system.positions, rtol=1e-6, atol=1e-6)  # nm
        if system.cell is None:
            assert not f.any()
            assert not features.lattice[b].any()
            continue
        expected = np.linalg.solve(system.cell.T, system.positions.T).T  # F = L⁻¹ X with columns as vectors
        np.testing.assert_allclose((f - expected + 0.5) % 1.0, 0.5, atol=1e-5)
        assert ((f >= 0) & (f < 1)).all()
        lattice = reference.lattice_parameters(system.cell, len(system))
        np.testing.assert_allclose(features.lattice[b].numpy(), lattice, rtol=1e-6)
    assert features.mask.sum(dim=1).tolist() == [len(s) for s in mixed]


# --- autoencoder ------------------------------------------------------------------------------------------------------


def test_encoder_is_algorithm_1(mixed: list[AtomicSystem]) -> None:
    module, features = vae(), features_of(mixed)
    posterior, w = module.encoder(features), numpy_weights(module)
    for b, system in enumerate(mixed):
        mean, logvar = reference.encode(w, *inputs_of(features, b), heads=2, layers=2)
        n = len(system)
        np.testing.assert_allclose(posterior.mean[b, :n].detach().numpy(), mean, **EXACT)
        np.testing.assert_allclose(posterior.logvar[b, :n].detach().numpy(), logvar, **EXACT)
        noise = latent_noise(features)
        z = posterior.sample(noise)[b, :n].detach().numpy()
        np.testing.assert_allclose(z, mean + np.sqrt(np.exp(logvar)) * noise[b, :n].numpy(), **EXACT)


def test_decoder_is_algorithm_2(mixed: list[AtomicSystem]) -> None:
    module, features = vae(), features_of(mixed)
    z, w = latent_noise(features), numpy_weights(module)
    decoded = module.decoder(z, features.mask)
    for b, system in enumerate(mixed):
        n = len(system)
        types, x, f, lattice = reference.decode(w, z[b, :n].numpy(), heads=2, layers=1)
        pairs = ((decoded.logits, types), (decoded.positions, x), (decoded.fractional, f))
        for got, expected in pairs:
            np.testing.assert_allclose(got[b, :n].detach().numpy(), expected, **EXACT)
        np.testing.assert_allclose(decoded.lattice[b].detach().numpy(), lattice, **EXACT)


def reference_vae_loss(features: Features, noise: torch.Tensor, kl_weight: float, corrupted: Features) -> object:
    """Return the summed loss of a batch as a function of the weights."""

    def loss(w: reference.Weights) -> float:
        total = 0.0
        for b, periodic in enumerate(features.periodic.tolist()):
            numbers, x, f = inputs_of(features, b)
            target = (numbers, x, f, features.lattice[b].numpy())
            drawn = noise[b, : len(numbers)].numpy()
            total += reference.vae_loss(
                w, inputs_of(corrupted, b), target, drawn, (2, 2, 1), periodic=periodic, kl_weight=kl_weight
            )
        return total

    return loss


@pytest.mark.parametrize("kl_weight", [1e-5, 0.3])
def test_vae_loss_is_equation_8_with_its_gradients(mixed: list[AtomicSystem], kl_weight: float) -> None:
    module, features = vae(), features_of(mixed)
    noise = latent_noise(features)
    random = np.random.default_rng(1)
    corrupted = features_of(
        [
            AtomicSystem(s.system_id, s.kind, s.numbers, s.positions + 0.1 * random.normal(size=(len(s), 3)), s.cell)
            for s in mixed
        ]
    )
    corrupted.numbers[:, 0] = 0  # the masked type
    posterior = module.encoder(corrupted)
    losses = vae_losses(module.decoder(posterior.sample(noise), features.mask), posterior, features, kl_weight)
    by_numpy = reference_vae_loss(features, noise, kl_weight, corrupted)
    total = losses["loss"].sum()
    assert float(total.detach()) == pytest.approx(by_numpy(numpy_weights(module)), rel=1e-10)  # type: ignore[operator]
    parts = torch.stack([value.sum() for name, value in losses.items() if name != "loss"]).sum()
    assert float(parts.detach()) == pytest.approx(float(total.detach()), rel=1e-12)
    assert_slopes(module, total, by_numpy)


def test_every_weight_of_equation_8(mixed: list[AtomicSystem]) -> None:
    module, features = vae(), features_of(mixed)
    z = latent_noise(features)
    decoded = module.decoder(z, features.mask)
    plain = {name: value.detach().numpy() for name, value in reconstruction_losses(decoded, features).items()}
    posterior = Posterior(z, torch.zeros_like(z))
    weighted = vae_losses(decoded, posterior, features, 1e-5)
    w, names = numpy_weights(module), ("types", "positions", "fractional", "lengths", "angles")
    for b, periodic in enumerate(features.periodic.tolist()):
        numbers, x, f = inputs_of(features, b)
        drawn = z[b, : len(numbers)].numpy()
        decoded_ = reference.decode(w, drawn, 2, 1)
        parts = reference.reconstruction_parts(*decoded_, numbers, x, f, features.lattice[b].numpy())
        np.testing.assert_allclose([plain[name][b] for name in names], parts, **EXACT)
        weights = (1.0, 0.0, 10.0, 1.0, 10.0) if periodic else (1.0, 10.0, 0.0, 0.0, 0.0)
        got = [float(weighted[name][b].detach()) for name in names]
        np.testing.assert_allclose(got, np.array(weights) * parts, **EXACT)


def test_heads_are_not_rounded_by_autocast(mixed: list[AtomicSystem]) -> None:
    module = vae().float()
    features = featurize(batch_of(mixed))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        posterior = module.encoder(features)
        decoded = module.decoder(posterior.mean, features.mask)
    for values in (posterior.mean, posterior.logvar, decoded.logits, decoded.positions, decoded.fractional):
        on_the_grid = values[features.mask] == values[features.mask].bfloat16().float()
        assert on_the_grid.float().mean() < 0.1
    assert not (decoded.lattice == decoded.lattice.bfloat16().float()).all()


def test_kl_is_summed_over_channels_and_averaged_over_atoms() -> None:
    random = torch.Generator().manual_seed(0)
    mask = padding_mask(torch.tensor(SIZES))
    mean, logvar = (torch.randn(3, 6, 4, generator=random, dtype=torch.float64) for _ in range(2))
    got = Posterior(mean, logvar).kl(mask)
    for b, n in enumerate(SIZES):
        assert float(got[b]) == pytest.approx(
            reference.kl_divergence(mean[b, :n].numpy(), logvar[b, :n].numpy()), rel=1e-12
        )
    # Monte Carlo: E_q[log q − log p] of one channel of one atom
    mu, sigma = 0.7, 0.4
    z = mu + sigma * np.random.default_rng(0).normal(size=400_000)
    drawn = np.mean(-0.5 * ((z - mu) / sigma) ** 2 - np.log(sigma) + 0.5 * z**2)
    one = Posterior(torch.full((1, 1, 1), mu), torch.full((1, 1, 1), 2 * np.log(sigma)))
    assert float(one.kl(torch.ones(1, 1, dtype=torch.bool))) == pytest.approx(drawn, abs=0.01)


# --- denoiser ---------------------------------------------------------------------------------------------------------


def dit_inputs(
    sizes: tuple[int, ...] = SIZES,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Conditions, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    mask = padding_mask(torch.tensor(sizes))
    noisy, previous = (torch.randn(*mask.shape, 4, generator=random, dtype=torch.float64) for _ in range(2))
    t = torch.tensor([0.01, 0.37, 0.97], dtype=torch.float64)
    return noisy, previous, t, Conditions(torch.tensor([0, 1, NULL_KIND]), {}), mask


@pytest.mark.parametrize("prediction", ["clean", "velocity"])
def test_denoiser_is_the_papers(prediction: str) -> None:
    module = dit(DIT_CONFIG.model_copy(update={"prediction": prediction}))
    noisy, previous, t, conditions, mask = dit_inputs()
    with torch.no_grad():
        got = module(noisy, previous, t, conditions, mask)
    w = numpy_weights(module)
    for b, n in enumerate(SIZES):
        z, before, time = noisy[b, :n].numpy(), previous[b, :n].numpy(), float(t[b])
        expected = reference.denoise(w, z, before, time, int(conditions.kind[b]), heads=2, layers=2)
        if prediction == "velocity":
            expected = z + (1.0 - time) * expected
        np.testing.assert_allclose(got[b, :n].numpy(), expected, **EXACT)


def test_a_fresh_block_is_the_identity_and_a_fresh_denoiser_zero() -> None:
    x, condition = torch.randn(3, 6, 16), torch.randn(3, 16)
    mask = padding_mask(torch.tensor(SIZES))
    assert torch.equal(DitBlock(16, 2)(x, condition, mask), x)
    noisy, previous, t, conditions, mask = dit_inputs()
    assert not DiT(DIT_CONFIG, 4)(noisy.float(), previous.float(), t.float(), conditions, mask).any()


def test_times_and_classes_are_told_apart() -> None:
    embedding = TimeEmbedding(16)
    frequencies = [10000.0 ** (-i / 128) for i in range(128)]
    np.testing.assert_allclose(embedding.frequencies.numpy(), frequencies, rtol=1e-6)
    module = dit()
    w = numpy_weights(module)
    with torch.no_grad():
        times = module.time(torch.tensor([0.0, 0.01, 0.5], dtype=torch.float64)).numpy()
    for got, t in zip(times, (0.0, 0.01, 0.5), strict=True):
        np.testing.assert_allclose(got, reference.time_embedding(w, t), **EXACT)
    assert len(module.condition.kind.weight) == NULL_KIND + 1  # one row for each kind, and φ


@pytest.mark.parametrize("kernel", [matmul_attention, fused_attention])
def test_both_forms_of_attention_are_one(kernel: object) -> None:
    module = unsettled(SelfAttention(16, 2))
    assert isinstance(module, SelfAttention)
    mask = padding_mask(torch.tensor(SIZES))
    x = torch.randn(3, 6, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    q, k, v = module.qkv(x).view(3, 6, 3, 2, 8).permute(2, 0, 3, 1, 4)
    mixed = kernel(q, k, v, mask).transpose(1, 2).reshape(3, 6, 16)  # type: ignore[operator]
    got, w = module.out(mixed).detach().numpy(), {f"a.{k}": v for k, v in numpy_weights(module).items()}
    for b, n in enumerate(SIZES):
        np.testing.assert_allclose(got[b, :n], reference.attention(w, "a", x[b, :n].numpy(), heads=2), **EXACT)


def test_gradients_of_attention_hold_in_double_precision() -> None:
    random = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 2, 4, 3, generator=random, dtype=torch.float64, requires_grad=True) for _ in range(3))
    mask = padding_mask(torch.tensor([4, 2]))
    assert torch.autograd.gradcheck(lambda a, b, c: matmul_attention(a, b, c, mask), (q, k, v))
