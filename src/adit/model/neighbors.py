"""Pairs of atoms within a cutoff radius, over periodic images where a system has a cell."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Pairs:
    """Ordered pairs of atoms of the same system; an atom's pair with itself, at distance 0, is one of them.

    Attributes:
        target: (E,) first atom of each pair.
        source: (E,) second atom.
        vectors: (E, 3) displacement from target to source, in the unit of the positions.
    """

    target: Int[Tensor, " e"]
    source: Int[Tensor, " e"]
    vectors: Float[Tensor, "e 3"]


@torch.no_grad()
def pairs_within(
    positions: Float[Tensor, "n 3"],
    n_atoms: Int[Tensor, " b"],
    cell: Float[Tensor, "b 3 3"],
    periodic: Bool[Tensor, " b"],
    cutoff: float,
) -> Pairs:
    """Return all pairs at a distance below ``cutoff``.

    Every image within the cutoff is its own pair, also of an atom with itself, so the result does not depend on which
    image is the nearest. The pairs of a system do not depend on the other systems.

    Args:
        positions: positions of the atoms of all systems, one system after the other.
        n_atoms: atoms of each system.
        cell: rows are lattice vectors; ignored for molecules.
        periodic: whether there is a cell.
        cutoff: largest distance, in the unit of positions and cell.
    """
    eye = torch.eye(3, dtype=cell.dtype, device=cell.device)
    safe = torch.where(periodic[:, None, None], cell, eye)
    inverse = torch.linalg.inv(safe)
    # Images needed along each vector: the cutoff over the distance of the cell's faces, for displacements of at most
    # half a cell.
    reach = torch.floor(cutoff * torch.linalg.norm(inverse, dim=1) + 0.5 + 1e-4).long() * periodic[:, None]
    width = 2 * reach + 1
    images = width.prod(dim=1)
    count = n_atoms.square() * images
    system = torch.repeat_interleave(count)
    place = torch.arange(len(system), device=cell.device) - (count.cumsum(0) - count)[system]
    pair, image = place // images[system], place % images[system]
    first = (n_atoms.cumsum(0) - n_atoms)[system]
    target, source = first + pair // n_atoms[system], first + pair % n_atoms[system]
    shift = _grid(image, width[system]) - reach[system]
    moved = positions[source] - positions[target]
    whole = torch.round(torch.einsum("ej,ejk->ek", moved, inverse[system])) * periodic[system, None]
    vectors = moved + torch.einsum("ej,ejk->ek", shift.to(cell.dtype) - whole, safe[system])
    near = vectors.square().sum(dim=1) < cutoff**2
    return Pairs(target[near], source[near], vectors[near])


def _grid(index: Int[Tensor, " e"], width: Int[Tensor, "e 3"]) -> Int[Tensor, "e 3"]:
    """Return the three coordinates of flat indices in grids of the given widths."""
    last = index // width[:, 0]
    return torch.stack([index % width[:, 0], last % width[:, 1], last // width[:, 1]], dim=1)
