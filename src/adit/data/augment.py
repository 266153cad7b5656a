"""Augmentation on the device: one rotation and one translation per system, uniform over SO(3) and over the cell."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from adit.systems import SystemBatch


def random_rotations(
    count: int, generator: torch.Generator, device: torch.device | str = "cpu"
) -> Float[Tensor, "b 3 3"]:
    """Return rotation matrices uniform over SO(3) (unit quaternions from normals), drawn on the CPU."""
    quaternion = torch.randn(count, 4, generator=generator, dtype=torch.float64)
    w, x, y, z = (quaternion / quaternion.norm(dim=1, keepdim=True)).unbind(1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], dim=1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], dim=1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], dim=1),
    ]
    return torch.stack(rows, dim=1).float().to(device)


def rotate(batch: SystemBatch, rotations: Float[Tensor, "b 3 3"]) -> SystemBatch:
    """Rotate positions and cells; fractional coordinates and lattice parameters stay."""
    return replace(
        batch,
        positions=torch.einsum("nj,nkj->nk", batch.positions, rotations[batch.system_idx]),
        cell=torch.einsum("bij,bkj->bik", batch.cell, rotations),
    )


def translate(batch: SystemBatch, shifts: Float[Tensor, "b 3"]) -> SystemBatch:
    """Translate systems by ``shifts`` in Å; atoms of crystals are wrapped back into the cell."""
    moved = batch.positions + shifts[batch.system_idx]
    periodic = batch.periodic
    eye = torch.eye(3, dtype=batch.cell.dtype, device=batch.cell.device)
    inverse = torch.linalg.inv(torch.where(periodic[:, None, None], batch.cell, eye))
    images = torch.floor(torch.einsum("nj,njk->nk", moved, inverse[batch.system_idx]) + 1e-6)
    wrapped = moved - torch.einsum("nj,njk->nk", images, batch.cell[batch.system_idx])
    return replace(batch, positions=torch.where(periodic[batch.system_idx, None], wrapped, moved))


def center(batch: SystemBatch) -> SystemBatch:
    """Move the centroid of every molecule to the origin; crystals stay."""
    sums = torch.zeros(len(batch), 3, dtype=batch.positions.dtype, device=batch.positions.device)
    sums.index_add_(0, batch.system_idx, batch.positions)
    centroid = sums / batch.n_atoms[:, None]
    return translate(batch, -centroid * (~batch.periodic)[:, None])


def augment(batch: SystemBatch, generator: torch.Generator, translation_std: float) -> SystemBatch:
    """Rotate and translate every system at random.

    Molecules are centred, rotated and shifted by N(0, translation_std²) per axis; crystals are rotated and shifted by a
    vector uniform over the cell.

    Args:
        batch: the systems.
        generator: CPU generator; everything random is drawn from it.
        translation_std: Å.

    Source: Section 2.1, "Regularization", and Section 2.2, "Data augmentation". The paper names no distribution.
    """
    count, device = len(batch), batch.positions.device
    rotated = rotate(center(batch), random_rotations(count, generator, device))
    uniform = torch.rand(count, 3, generator=generator).to(device)
    normal = (torch.randn(count, 3, generator=generator) * translation_std).to(device)
    in_cell = torch.einsum("bj,bjk->bk", uniform, rotated.cell)
    return translate(rotated, torch.where(batch.periodic[:, None], in_cell, normal))


def denoising_corruption(batch: SystemBatch, generator: torch.Generator, fraction: float, std: float) -> SystemBatch:
    """Mask the types (0) and perturb the positions by N(0, std²) Å of a random ``fraction`` of the atoms.

    Source: Section 2.1, "Regularization". The paper gives N(0, 0.1) without a unit: taken as Å, and as the standard
    deviation.
    """
    count, device = len(batch.numbers), batch.positions.device
    chosen = (torch.rand(count, generator=generator) < fraction).to(device)
    noise = (torch.randn(count, 3, generator=generator) * std).to(device)
    return replace(
        batch,
        numbers=torch.where(chosen, torch.zeros_like(batch.numbers), batch.numbers),
        positions=batch.positions + noise * chosen[:, None],
    )
