"""Fixed motif: its atoms move on a straight path from noise to their own latents while the rest is sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from adit.flow.solver import Predict
from adit.model.dit import DiT
from adit.model.features import Features
from adit.model.vae import VAE, Decoded
from adit.sample.motif import Motif, superpose
from adit.sample.prior import Draw
from adit.systems import cell_angles
from adit.units import ANGSTROM_PER_NM

REFRESHES = 20
"""Number of times along the path that the motif is encoded again, with the sampled atoms around it."""


class Held:
    """Predicts the motif's own latents for its atoms, and the denoiser's prediction for the others.

    A solver that receives the same clean latent z at all times moves on the straight line Z⁽ᵗ⁾ = (1 − t) Z⁽⁰⁾ + t z. So
    replacing the prediction fixes the motif's atoms with every solver, and no solver is changed.

    The latent of an atom depends on its whole system. At first, only the motif is encoded; then, at each of
    ``REFRESHES`` equal parts of the path, the prediction is decoded, the motif inserted, and the system encoded.

    Args:
        predict: the (guided) denoiser.
        vae: the autoencoder.
        dit: the denoiser, for the normalisation of its latents.
        motif: the atoms.
        draws: the samples of the batch.
        mask: (B, M) real atoms.
        kind: (B,) ``Kind.label`` of the samples.
    """

    def __init__(
        self, predict: Predict, vae: VAE, dit: DiT, motif: Motif, draws: Sequence[Draw], mask: Tensor, kind: Tensor
    ) -> None:
        self._predict, self._vae, self._dit, self._motif, self._mask = predict, vae, dit, motif, mask
        self._kind = kind
        device = mask.device
        self._places = torch.from_numpy(np.stack([d.held for d in draws if d.held is not None])).to(device)
        self._rows = torch.arange(len(draws), device=device)[:, None]
        self._numbers = torch.from_numpy(motif.numbers).to(device)
        self._n_atoms = mask.sum(dim=1)
        self._latents = self._encode(self._alone())[:, : len(motif)]
        self._next = 1.0 / REFRESHES

    def __call__(self, noisy: Tensor, previous: Tensor, t: Tensor) -> Tensor:
        """Predict the clean latents (B, M, d) from Z⁽ᵗ⁾, the previous prediction (both (B, M, d)) and t (B,)."""
        clean = self._predict(noisy, previous, t)
        now = float(t[0])
        if now >= self._next:
            self._next = (int(now * REFRESHES) + 1) / REFRESHES
            with torch.autocast(_device_type(clean), enabled=False):
                features = self._in_place(self._vae.decoder(self._dit.denormalize(clean, self._kind), self._mask))
                self._latents = self._encode(features)[self._rows, self._places]
        return clean.index_put((self._rows, self._places), self._latents)

    def _encode(self, features: Features) -> Tensor:
        with torch.autocast(_device_type(self._mask), enabled=False):
            return self._dit.normalize(self._vae.encoder(features).mean, self._kind)

    def _alone(self) -> Features:
        """Return systems that contain only the motif; its lattice is that of the whole system."""
        count, size = len(self._n_atoms), len(self._motif)
        mask = torch.ones(count, size, dtype=torch.bool, device=self._mask.device)
        return Features(
            numbers=self._numbers.expand(count, -1),
            positions=self._tensor(self._motif.positions / ANGSTROM_PER_NM).expand(count, -1, -1),
            fractional=self._tensor(self._motif.fractional).expand(count, -1, -1),
            lattice=self._lattice(),
            cell=self._cell(),
            mask=mask,
            periodic=torch.full((count,), self._motif.cell is not None, device=mask.device),
        )

    def _in_place(self, decoded: Decoded) -> Features:
        """Return the decoded systems with the motif inserted, in its cell."""
        whole = Features(
            numbers=((decoded.logits.argmax(dim=-1) + 1) * self._mask).index_put(
                (self._rows, self._places), self._numbers.expand_as(self._places)
            ),
            positions=decoded.positions,
            fractional=torch.zeros_like(decoded.fractional),
            lattice=self._lattice(),
            cell=self._cell(),
            mask=self._mask,
            periodic=torch.full((len(self._rows),), self._motif.cell is not None, device=self._mask.device),
        )
        keep = self._mask.unsqueeze(-1)
        if self._motif.cell is None:
            placed = decoded.positions[self._rows, self._places].double().cpu().numpy()
            fitted = [superpose(self._motif.positions / ANGSTROM_PER_NM, target) for target in placed]
            positions = decoded.positions.index_put((self._rows, self._places), self._tensor(np.stack(fitted)))
            return replace(whole, positions=positions * keep)
        held = self._tensor(self._motif.fractional).expand(*self._places.shape, 3)
        fractional = decoded.fractional.remainder(1.0).index_put((self._rows, self._places), held) * keep
        positions = fractional @ self._tensor(self._motif.cell / ANGSTROM_PER_NM)
        return replace(whole, fractional=fractional, positions=positions)

    def _lattice(self) -> Tensor:
        """Return (B, 6) lengths in Å over n^(1/3) and angles in radians; zeros for molecules."""
        if self._motif.cell is None:
            return torch.zeros(len(self._n_atoms), 6, device=self._mask.device)
        lengths = self._tensor(np.linalg.norm(self._motif.cell, axis=1))
        angles = self._tensor(np.radians(cell_angles(self._motif.cell))).expand(len(self._n_atoms), -1)
        return torch.cat([lengths / self._n_atoms.float().pow(1.0 / 3.0)[:, None], angles], dim=1)

    def _cell(self) -> Tensor:
        """Return (B, 3, 3) in nm, zeros for molecules."""
        cell = np.zeros((3, 3)) if self._motif.cell is None else self._motif.cell / ANGSTROM_PER_NM
        return self._tensor(cell).expand(len(self._n_atoms), -1, -1)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(values, dtype=np.float32)).to(self._mask.device)


def _device_type(values: Tensor) -> str:
    """Return the type of the values' device, for ``torch.autocast``."""
    return values.device.type
