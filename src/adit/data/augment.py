"""Augmentation on the device: one rotation and one translation per system, uniform over SO(3) and over the cell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from adit.systems import SystemBatch
from adit.transfer import exact, to_device


@dataclass(frozen=True)
class Views:
    """Random numbers of the augmentation of each system, drawn before the batch is split into parts.

    Attributes:
        quaternion: (B, 4) standard normal; its direction gives a rotation that is uniform over SO(3).
        uniform: (B, 3) in [0, 1): shift of periodic systems, in fractions of the cell.
        normal: (B, 3) standard normal: shift of molecules.
    """

    quaternion: Float[Tensor, "b 4"]
    uniform: Float[Tensor, "b 3"]
    normal: Float[Tensor, "b 3"]

    @classmethod
    def draw(cls, count: int, generator: torch.Generator) -> Views:
        """Return random numbers for ``count`` systems, on the CPU."""
        return cls(
            torch.randn(count, 4, generator=generator),
            torch.rand(count, 3, generator=generator),
            torch.randn(count, 3, generator=generator),
        )

    def part(self, rows: Tensor, device: torch.device | str) -> Views:
        """Return the numbers of the systems at ``rows`` (b,) of the batch, on ``device``."""
        return Views(*(to_device(values[rows], device) for values in (self.quaternion, self.uniform, self.normal)))


def rotations(quaternion: Float[Tensor, "b 4"]) -> Float[Tensor, "b 3 3"]:
    """Return the rotation matrices R (x′ = R x) of quaternions (w, x, y, z) of any norm.

    For normal components they are uniform over SO(3).
    """
    w, x, y, z = (quaternion / quaternion.norm(dim=1, keepdim=True)).unbind(1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], dim=1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], dim=1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], dim=1),
    ]
    return torch.stack(rows, dim=1)


def rotate(batch: SystemBatch, matrices: Float[Tensor, "b 3 3"]) -> SystemBatch:
    """Rotate positions and cells by x′ = R x; fractional coordinates and lattice parameters do not change."""
    return replace(
        batch,
        positions=torch.einsum("nj,nkj->nk", batch.positions, matrices[batch.system_idx]),
        cell=torch.einsum("bij,bkj->bik", batch.cell, matrices),
    )


def translate(batch: SystemBatch, shifts: Float[Tensor, "b 3"]) -> SystemBatch:
    """Translate systems by ``shifts``, Å; atoms of periodic systems are wrapped back into the cell."""
    moved = batch.positions + shifts[batch.system_idx]
    images = torch.floor(torch.einsum("nj,njk->nk", moved, batch.inverse_cells()[batch.system_idx]) + 1e-6)
    wrapped = moved - torch.einsum("nj,njk->nk", images, batch.cell[batch.system_idx])
    return replace(batch, positions=torch.where(batch.periodic[batch.system_idx, None], wrapped, moved))


def center(batch: SystemBatch) -> SystemBatch:
    """Move the centroid of every molecule to the origin; periodic systems do not change."""
    sums = torch.zeros(len(batch), 3, dtype=batch.positions.dtype, device=batch.positions.device)
    sums.index_add_(0, batch.system_idx, batch.positions)
    centroid = sums / batch.n_atoms[:, None]
    return translate(batch, -centroid * (~batch.periodic)[:, None])


def augment(batch: SystemBatch, views: Views, translation_std: float) -> SystemBatch:
    """Rotate and translate every system at random.

    Molecules are centred, rotated and shifted by N(0, translation_std²) per axis; periodic systems are rotated and
    shifted by a vector uniform over the cell.

    Args:
        batch: the systems.
        views: the random numbers of each system.
        translation_std: standard deviation of the shift of molecules along each axis, Å.

    Source: Section 2.1, "Regularization", and Section 2.2, "Data augmentation". The paper names no distribution.
    """
    with exact(batch.positions):
        rotated = rotate(center(batch), rotations(views.quaternion))
        in_cell = torch.einsum("bj,bjk->bk", views.uniform, rotated.cell)
        return translate(rotated, torch.where(batch.periodic[:, None], in_cell, views.normal * translation_std))


def denoising_corruption(
    batch: SystemBatch, chance: Float[Tensor, " n"], noise: Float[Tensor, "n 3"], fraction: float, std: float
) -> SystemBatch:
    """Mask the types (0) and perturb the positions by N(0, std²) Å of a random ``fraction`` of the atoms.

    Args:
        batch: the systems.
        chance: uniform in [0, 1) for each atom; atoms below ``fraction`` are corrupted.
        noise: standard normal for each atom.
        fraction: expected fraction of the atoms, 0 to 1.
        std: standard deviation of the displacement along each axis, Å.

    Source: Section 2.1, "Regularization". The paper gives N(0, 0.1) without a unit: taken as Å, and as the standard
    deviation.
    """
    chosen = chance < fraction
    return replace(
        batch,
        numbers=torch.where(chosen, torch.zeros_like(batch.numbers), batch.numbers),
        positions=batch.positions + noise * std * chosen[:, None],
    )
