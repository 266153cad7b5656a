"""Inputs of the networks: padded atom types, positions in nm, fractional coordinates and lattice parameters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from adit.model.padding import pad, padding_mask
from adit.systems import SystemBatch
from adit.transfer import exact
from adit.units import ANGSTROM_PER_NM


@dataclass(frozen=True)
class Features:
    """Padded network inputs and targets of a batch.

    Attributes:
        numbers: (B, M) atomic numbers; 0 is masked or padding.
        positions: (B, M, 3) nm.
        fractional: (B, M, 3) in [0, 1); zeros for molecules (the null value φ).
        lattice: (B, 6) lengths in Å over the cube root of the number of atoms, angles in radians; zeros for molecules.
        cell: (B, 3, 3) nm, rows are lattice vectors; zeros for molecules.
        mask: (B, M) real atoms.
        periodic: (B,) whether there is a cell.
    """

    numbers: Int[Tensor, "b m"]
    positions: Float[Tensor, "b m 3"]
    fractional: Float[Tensor, "b m 3"]
    lattice: Float[Tensor, "b 6"]
    cell: Float[Tensor, "b 3 3"]
    mask: Bool[Tensor, "b m"]
    periodic: Bool[Tensor, " b"]


def featurize(batch: SystemBatch, length: int | None = None) -> Features:
    """Return the network inputs of a batch, in the precision of the batch also under autocast.

    Args:
        batch: the systems.
        length: M, number of atoms of the largest system; without it, the host waits for the device to find it.

    Source: Section 2.1; lengths are normalised as after Eq. 7.
    """
    mask = padding_mask(batch.n_atoms, length)
    periodic = batch.periodic
    with exact(batch.positions):
        return Features(
            numbers=pad(batch.numbers, mask),
            positions=pad(batch.positions / ANGSTROM_PER_NM, mask),
            fractional=pad(fractional_coordinates(batch), mask),
            lattice=lattice_parameters(batch.cell, batch.n_atoms, periodic),
            cell=batch.cell / ANGSTROM_PER_NM,
            mask=mask,
            periodic=periodic,
        )


def fractional_coordinates(batch: SystemBatch) -> Float[Tensor, "n 3"]:
    """Return F = X·cell⁻¹ of all atoms, wrapped into [0, 1); zeros for molecules."""
    fractional = torch.einsum("nj,njk->nk", batch.positions, batch.inverse_cells()[batch.system_idx])
    fractional = fractional - torch.floor(fractional)
    fractional = torch.where(fractional >= 1.0, torch.zeros_like(fractional), fractional)
    return fractional * batch.periodic[batch.system_idx, None]


def lattice_parameters(
    cell: Float[Tensor, "b 3 3"], n_atoms: Int[Tensor, " b"], periodic: Bool[Tensor, " b"]
) -> Float[Tensor, "b 6"]:
    """Return lengths (Å over n^(1/3)) and angles α, β, γ (radians), zeros for molecules.

    Args:
        cell: Å, rows are lattice vectors.
        n_atoms: atoms of each system.
        periodic: whether there is a cell.

    Source: Eq. 6 and 7.
    """
    eye = torch.eye(3, dtype=cell.dtype, device=cell.device)
    safe = torch.where(periodic[:, None, None], cell, eye)
    lengths = torch.linalg.norm(safe, dim=-1)
    unit = safe / lengths[..., None]
    cosines = torch.stack(
        [(unit[:, 1] * unit[:, 2]).sum(-1), (unit[:, 0] * unit[:, 2]).sum(-1), (unit[:, 0] * unit[:, 1]).sum(-1)],
        dim=-1,
    )
    angles = torch.arccos(cosines.clamp(-1.0, 1.0))
    scaled = lengths / n_atoms.to(cell.dtype).pow(1.0 / 3.0)[:, None]
    return torch.cat([scaled, angles], dim=-1) * periodic[:, None]
