"""The plain form of training and sampling: what one writes first in PyTorch.

Every batch is padded to its longest system, everything is fp32 and eager, attention is
``scaled_dot_product_attention`` with a mask, latents are encoded on the fly, the optimiser is not fused. Same networks,
same losses, same data as the package's own form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from adit.data.augment import Views, augment, denoising_corruption
from adit.flow.loss import flow_loss
from adit.flow.path import center, interpolate
from adit.model import blocks
from adit.model.conditions import encode, null_conditions
from adit.model.dit import DiT
from adit.model.features import featurize
from adit.model.padding import pad, padding_mask
from adit.model.vae import VAE
from adit.sample.decode import decode_rows
from adit.sample.engine import Sampler
from adit.sample.prior import Draw
from adit.store import Row
from adit.systems import AtomicSystem, Kind, SystemBatch
from adit.train.vae import vae_losses

M = TypeVar("M", bound=nn.Module)


@contextmanager
def plain_attention() -> Iterator[None]:
    """Use the library's fused kernel for attention on every device."""
    ours = blocks.matmul_attention
    blocks.matmul_attention = blocks.fused_attention
    try:
        yield
    finally:
        blocks.matmul_attention = ours


def view(systems: Sequence[AtomicSystem], generator: torch.Generator, device: torch.device) -> SystemBatch:
    """Collate systems and rotate and translate them."""
    drawn = Views.draw(len(systems), generator).part(torch.arange(len(systems)), device)
    return augment(collated(systems).to(device), drawn, 1.0)


def collated(systems: Sequence[AtomicSystem]) -> SystemBatch:
    """Concatenate systems into one batch (float32 on the CPU)."""
    n_atoms = torch.tensor([len(s) for s in systems])
    cells = [np.zeros((3, 3)) if s.cell is None else s.cell for s in systems]
    return SystemBatch(
        numbers=torch.from_numpy(np.concatenate([s.numbers for s in systems])),
        positions=torch.from_numpy(np.concatenate([s.positions for s in systems])).float(),
        cell=torch.from_numpy(np.stack(cells)).float(),
        n_atoms=n_atoms,
        system_idx=torch.repeat_interleave(torch.arange(len(systems)), n_atoms),
        kind=torch.tensor([s.kind.label for s in systems]),
    )


class PlainVae:
    """One step of the autoencoder on a batch padded to its longest system."""

    def __init__(self, vae: VAE, device: torch.device) -> None:
        self.vae, self.device = vae, device
        self.optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-4, weight_decay=0.0, foreach=False)
        self.generator = torch.Generator().manual_seed(0)

    def step(self, systems: Sequence[AtomicSystem]) -> Tensor:
        """Forward, backward, optimiser."""
        clean = view(systems, self.generator, self.device)
        target = featurize(clean)
        atoms = len(clean.numbers)
        chance, noise = torch.rand(atoms, device=self.device), torch.randn(atoms, 3, device=self.device)
        noisy = denoising_corruption(clean, chance, noise, 0.1, 0.1)
        posterior = self.vae.encoder(featurize(noisy))
        latents = posterior.sample(torch.randn(posterior.mean.shape, device=self.device))
        decoded = self.vae.decoder(latents, target.mask)
        loss = vae_losses(decoded, posterior, target, 1e-5)["loss"].mean()
        return _finish(loss, self.optimizer)


class PlainDit:
    """One step of the denoiser: encode on the fly, then flow matching; every second step is self-conditioned."""

    def __init__(self, dit: DiT, vae: VAE, device: torch.device) -> None:
        self.dit, self.vae, self.device = dit, vae, device
        self.optimizer = torch.optim.AdamW(dit.parameters(), lr=1e-4, weight_decay=0.0, foreach=False)
        self.generator = torch.Generator().manual_seed(0)
        self.steps = 0

    def step(self, systems: Sequence[AtomicSystem]) -> Tensor:
        """Forward, backward, optimiser."""
        with torch.no_grad():
            features = featurize(view(systems, self.generator, self.device))
            posterior = self.vae.encoder(features)
            clean = posterior.sample(torch.randn(posterior.mean.shape, device=self.device))
        mask = features.mask
        clean = clean * mask[..., None]
        t = torch.rand(len(systems), device=self.device)
        noisy = interpolate(center(torch.randn_like(clean), mask), clean, t)
        conditions = encode((), [s.kind for s in systems], [{}] * len(systems)).to(self.device)
        previous = torch.zeros_like(noisy)
        if self.steps % 2:
            with torch.no_grad():
                previous = self.dit(noisy, previous, t, conditions, mask) * mask[..., None]
        self.steps += 1
        return _finish(
            flow_loss(self.dit(noisy, previous, t, conditions, mask), clean, t, mask, 0.9).mean(), self.optimizer
        )


class PlainSampler:
    """Euler's steps on batches padded to their longest system; the whole trajectory is kept, decoding comes last."""

    batch = 64

    def __init__(self, sampler: Sampler, steps: int, guidance: float) -> None:
        self.sampler, self.steps, self.guidance = sampler, steps, guidance

    @torch.no_grad()
    def samples(self, draws: Sequence[Draw], kind: Kind) -> list[Row]:
        """Return the decoded systems, in order."""
        rows: list[Row] = []
        for start in range(0, len(draws), self.batch):
            chosen = draws[start : start + self.batch]
            mask = padding_mask(torch.tensor([len(d) for d in chosen])).to(self.sampler.device)
            noise = pad(torch.from_numpy(np.concatenate([d.noise for d in chosen])).to(self.sampler.device), mask)
            trajectory = self._trajectory(center(noise, mask), mask, kind)
            decoded = self.sampler.decode(trajectory[-1], mask, kind)
            rows += decode_rows(decoded, [len(d) for d in chosen], [d.system_id for d in chosen], kind)
        return rows

    def _trajectory(self, latents: Tensor, mask: Tensor, kind: Kind) -> list[Tensor]:
        dit, count = self.sampler.dit, len(latents)
        labels = dit.config.labels
        conditions = encode(labels, [kind] * count, [{}] * count).to(latents.device)
        nulls = null_conditions(labels, count, latents.device)
        trajectory, previous = [latents], torch.zeros_like(latents)
        for step in range(self.steps):
            t = torch.full((count,), step / self.steps, device=latents.device)
            conditional = dit(latents, previous, t, conditions, mask)
            unconditional = dit(latents, previous, t, nulls, mask)
            previous = (unconditional + self.guidance * (conditional - unconditional)) * mask[..., None]
            latents = latents + (previous - latents) / (1.0 - t)[:, None, None] / self.steps
            trajectory.append(latents)
        return trajectory


def _finish(loss: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


def warm(module: M) -> M:
    """Fill the weights that start at zero, so that no product is with zeros."""
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():
                nn.init.normal_(parameter, std=0.02)
    return module
