"""One training step of either stage against numpy: corruption, augmentation, dropout, AdamW, averaged weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adit.config import DitTrainConfig, OptimConfig, VaeTrainConfig
from adit.data.batching import Mixture
from adit.model.conditions import NULL_KIND, Conditions
from adit.model.padding import padding_mask
from adit.systems import AtomicSystem, SystemBatch
from adit.train.dit import DitTask
from adit.train.draws import Draws, step_generator
from adit.train.ema import Ema
from adit.train.loop import fit
from adit.train.optimizer import make_optimizer
from adit.train.plan import Plan
from adit.train.vae import VaeTask
from tests import reference
from tests.systems import batch_of
from tests.unit.model.test_reference import dit, numpy_weights, vae

CPU = torch.device("cpu")
SINGLE = {"rtol": 2e-4, "atol": 1e-5}


def wrapped(f: np.ndarray) -> np.ndarray:
    return f - np.floor(f)


class FewSystems:
    """Stands in for the corpus: the same systems in every split."""

    def __init__(self, systems: list[AtomicSystem]) -> None:
        self.systems = systems

    def batch(self, rows: np.ndarray, split: str) -> SystemBatch:
        return batch_of([self.systems[row] for row in rows])

    def kinds(self, rows: np.ndarray, split: str) -> np.ndarray:
        return self.batch(rows, split).kind.numpy()

    def conditions(self, labels: object, rows: np.ndarray, split: str) -> Conditions:
        return Conditions(self.batch(rows, split).kind, {})


def draws_of(systems: list[AtomicSystem], per_system: int, per_atom: int) -> Draws:
    sizes = np.array([len(s) for s in systems])
    return Draws.make(sizes, step_generator(0, "reference"), per_system, per_atom)


def atoms_of(systems: list[AtomicSystem], b: int) -> slice:
    start = sum(len(s) for s in systems[:b])
    return slice(start, start + len(systems[b]))


# --- the autoencoder's step -------------------------------------------------------------------------------------------


def augmented(system: AtomicSystem, draws: Draws, b: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return positions and cell of one system after its rotation and its translation (σ = 1 Å for molecules)."""
    turn = reference.rotation(draws.views.quaternion[b].double().numpy())
    if system.cell is None:
        centred = system.positions - system.positions.mean(axis=0)
        return centred @ turn.T + draws.views.normal[b].double().numpy(), None
    cell = system.cell @ turn.T
    moved = system.positions @ turn.T + draws.views.uniform[b].double().numpy() @ cell
    return wrapped(moved @ np.linalg.inv(cell)) @ cell, cell


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("fraction", [0.1, 0.6])
def test_the_step_of_the_autoencoder(mixed: list[AtomicSystem], split: str, fraction: float) -> None:
    module = vae()
    w = numpy_weights(module)
    config = VaeTrainConfig(denoise_fraction=fraction, kl_weight=0.01)
    task = VaeTask(module.float(), FewSystems(mixed), config, CPU)  # type: ignore[arg-type]
    draws = draws_of(mixed, task.per_system, task.per_atom)
    losses = {name: value.detach() for name, value in task.losses(np.arange(4), draws, split).items()}
    corrupted_atoms = 0
    for b, system in enumerate(mixed):
        atoms, n = atoms_of(mixed, b), len(system)
        x, cell = augmented(system, draws, b)
        hit = draws.atom_uniform[atoms].numpy() < fraction if split == "train" else np.zeros(n, dtype=bool)
        corrupted_atoms += int(hit.sum())
        normal = draws.atom_normal[atoms].double().numpy()
        moved = x + 0.1 * normal[:, :3] * hit[:, None]  # Å
        zeros = np.zeros((n, 3))
        f, f_moved = (zeros if cell is None else wrapped(p @ np.linalg.inv(cell)) for p in (x, moved))
        lattice = np.zeros(6) if cell is None else reference.lattice_parameters(cell, n)
        expected = reference.vae_loss(
            w,
            (np.where(hit, 0, system.numbers), moved / 10.0, f_moved),
            (system.numbers, x / 10.0, f, lattice),
            normal[:, 3:],
            (2, 2, 1),
            periodic=cell is not None,
            kl_weight=0.01,
        )
        np.testing.assert_allclose(float(losses["loss"][b]), expected, **SINGLE)
    assert (corrupted_atoms > 0) == (split == "train")


def test_a_tenth_of_the_atoms_is_corrupted_by_default() -> None:
    config = VaeTrainConfig()
    assert (config.denoise_fraction, config.denoise_std, config.kl_weight) == (0.1, 0.1, 1e-5)
    draws = Draws.make(np.full(500, 20), step_generator(0, "share"), 0, 3)
    assert abs(float((draws.atom_uniform < config.denoise_fraction).float().mean()) - 0.1) < 0.01


# --- the denoiser's step ----------------------------------------------------------------------------------------------


class Given:
    """Stands in for the encoder: fixed clean latents."""

    latent_dim = 4
    device = CPU

    def __init__(self, sizes: np.ndarray) -> None:
        random = torch.Generator().manual_seed(9)
        self.mask = padding_mask(torch.from_numpy(sizes))
        self.values = torch.randn(*self.mask.shape, 4, generator=random) * self.mask[..., None]

    def latents(self, rows: np.ndarray, draws: Draws, split: str) -> tuple[Tensor, Tensor]:
        return self.values, self.mask


@pytest.mark.parametrize("conditioned", [False, True])
@pytest.mark.parametrize("dropped", [False, True])
def test_the_step_of_the_denoiser(mixed: list[AtomicSystem], conditioned: bool, dropped: bool) -> None:
    module, source = dit(), Given(np.array([len(s) for s in mixed]))
    w = numpy_weights(module)
    task = DitTask(module.float(), source, FewSystems(mixed), DitTrainConfig(), CPU)  # type: ignore[arg-type]
    draws = draws_of(mixed, task.per_system, task.per_atom)
    uniform = draws.uniform.clone()
    uniform[:, 1] = 0.05 if dropped else 0.2
    uniform[0, 0] = 0.96  # beyond the clip of Eq. 12
    draws = replace(draws, step=0.4 if conditioned else 0.6, uniform=uniform)
    losses = {name: value.detach() for name, value in task.losses(np.arange(4), draws, "train").items()}
    for b, system in enumerate(mixed):
        n = len(system)
        clean = source.values[b, :n].double().numpy()
        noise = draws.atom_normal[atoms_of(mixed, b), 4:].double().numpy()
        noise = noise - noise.mean(axis=0)
        t = 0.01 + 0.99 * float(uniform[b, 0])
        noisy = (1 - t) * noise + t * clean
        label = NULL_KIND if dropped else system.kind.label
        previous = np.zeros_like(noisy)
        if conditioned:
            previous = reference.denoise(w, noisy, previous, t, label, 2, 2)
        predicted = reference.denoise(w, noisy, previous, t, label, 2, 2)
        # float32 resolves 1000 t, the phase of the fastest wave, to 3e-5
        np.testing.assert_allclose(float(losses["loss"][b]), reference.flow_loss(predicted, clean, noisy, t), rtol=1e-3)


def test_nothing_is_learnt_through_the_first_prediction(mixed: list[AtomicSystem]) -> None:
    module, source = dit(), Given(np.array([len(s) for s in mixed]))
    task = DitTask(module.float(), source, FewSystems(mixed), DitTrainConfig(), CPU)  # type: ignore[arg-type]
    draws = draws_of(mixed, task.per_system, task.per_atom)
    calls: list[Tensor] = []
    module.register_forward_hook(lambda _module, _inputs, out: calls.append(out))
    task.losses(np.arange(4), replace(draws, step=0.0), "train")
    task.losses(np.arange(4), replace(draws, step=0.9), "train")
    assert [call.requires_grad for call in calls] == [False, True, True]


# --- the optimiser ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_the_optimiser_is_adamw(weight_decay: float) -> None:
    module = nn.Linear(3, 2).double()
    start = {name: p.detach().numpy().copy() for name, p in module.named_parameters()}
    optimizer = make_optimizer(module, OptimConfig(lr=0.01, weight_decay=weight_decay))
    random = np.random.default_rng(0)
    gradients: dict[str, list[np.ndarray]] = {name: [] for name in start}
    for _ in range(6):
        for name, parameter in module.named_parameters():
            gradients[name].append(random.normal(size=parameter.shape))
            parameter.grad = torch.from_numpy(gradients[name][-1].copy())
        optimizer.step()
    for name, parameter in module.named_parameters():
        expected = reference.adamw(start[name], gradients[name], 0.01, weight_decay)[-1]
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-10)


def test_the_papers_optimiser_is_the_default() -> None:
    for config in (VaeTrainConfig(), DitTrainConfig()):
        assert (config.optimizer, config.lr, config.weight_decay, config.batch_size) == ("adamw", 1e-4, 0.0, 256)
        assert (config.max_epochs, config.lr_decay, config.warmup_steps, config.grad_clip) == (5000, False, 0, None)
    assert (VaeTrainConfig().ema_decay, DitTrainConfig().ema_decay) == (None, 0.9999)


def test_averaged_weights() -> None:
    module = nn.Linear(3, 2).double()
    ema = Ema(module, 0.9)
    averaged = module.weight.detach().numpy().copy()
    random = torch.Generator().manual_seed(0)
    for _ in range(5):
        with torch.no_grad():
            module.weight.copy_(torch.randn(2, 3, generator=random, dtype=torch.float64))
        ema.update(module)
        averaged = 0.9 * averaged + 0.1 * module.weight.detach().numpy()
    np.testing.assert_allclose(ema.weights["weight"].numpy(), averaged, rtol=1e-12)


class Pull:
    """A loss whose gradient is known: ‖w − target‖² of each system, its target a function of its row."""

    name = "pull"
    per_system = per_atom = 0

    def __init__(self) -> None:
        self.module: nn.Module = nn.Linear(2, 1, bias=False).double()

    def passes(self, draws: Draws) -> float:
        return 1.0

    @staticmethod
    def target(rows: np.ndarray) -> np.ndarray:
        return np.stack([np.sin(rows), np.cos(2.0 * rows)], axis=1)

    def losses(self, rows: np.ndarray, draws: Draws, split: str) -> dict[str, Tensor]:
        weight = next(self.module.parameters())
        return {"loss": (weight - torch.from_numpy(self.target(rows))).square().sum(dim=1)}


class Rows:
    """Stands in for the corpus: ten systems of one atom, none to validate on."""

    def mixture(self, batch_size: int, seed: int) -> Mixture:
        return Mixture([10], [1.0], batch_size, seed)

    def sizes(self, rows: np.ndarray, split: str) -> np.ndarray:
        return np.ones(len(rows), dtype=np.int64)

    def validation(self) -> np.ndarray:
        return np.array([], dtype=np.int64)


def test_the_loop_is_adamw_on_the_mean_loss_with_averaged_weights(tmp_path: Path) -> None:
    task, corpus = Pull(), Rows()
    start = next(task.module.parameters()).detach().numpy().copy()
    config = OptimConfig(max_steps=7, batch_size=4, lr=0.05, log_every=1, precision="fp32")
    plan = Plan(task, corpus, config, 3, "key", tmp_path, CPU, ema_decay=0.8)  # type: ignore[arg-type]
    result = fit(plan)

    w, averaged, batches = start, start.copy(), [corpus.mixture(4, 3).batch(step) for step in range(7)]
    gradients: list[np.ndarray] = []
    losses = []
    for rows in batches:
        difference = w - Pull.target(rows)
        losses.append((difference**2).sum(axis=1).mean())
        gradients.append(2.0 * difference.mean(axis=0, keepdims=True))
        w = reference.adamw(start, gradients, 0.05, 0.0)[-1]
        averaged = 0.8 * averaged + 0.2 * w
    np.testing.assert_allclose(next(task.module.parameters()).detach().numpy(), w, rtol=1e-9)
    assert result.averaged is not None
    np.testing.assert_allclose(result.averaged["weight"].numpy(), averaged, rtol=1e-9)
    np.testing.assert_allclose(result.metrics["loss"], losses, rtol=1e-9)
