"""Graphs of CHGNet for a batch of structures, built with array operations.

CHGNet's own converter loops in Python over the pairs of bonds, which takes longer than the network for small crystals.
Here neighbours come from the same search (pymatgen's); bonds, pairs of bonds and bases are arrays of the whole batch.
Energies, forces and stress are the same up to rounding (``tests/unit/relax/test_chgnet_graphs.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adit.errors import DataError

if TYPE_CHECKING:
    import torch
    from ase import Atoms

SAME_PLACE = 1e-8
"""Distance up to which two positions are the same, Å."""


@dataclass(frozen=True)
class Graph:
    """Bonds and pairs of bonds of one structure.

    Attributes:
        numbers: (n,) int, atomic numbers.
        fractional: (n, 3) fractional coordinates, not wrapped.
        cell: (3, 3) Å, rows are lattice vectors.
        bonds: (b, 2) int, centre and neighbour of each directed bond.
        images: (b, 3) int, cell of the neighbour.
        undirected: (b,) int, undirected bond of each directed bond.
        directed: (b / 2,) int, one directed bond of each undirected bond.
        angles: (a, 3) int, centre and two directed bonds from it.
    """

    numbers: np.ndarray
    fractional: np.ndarray
    cell: np.ndarray
    bonds: np.ndarray
    images: np.ndarray
    undirected: np.ndarray
    directed: np.ndarray
    angles: np.ndarray


def graph_of(atoms: Atoms, cutoff: float, angle_cutoff: float) -> Graph:
    """Return the graph of a crystal.

    Args:
        atoms: a crystal, periodic in three directions.
        cutoff: largest length of a bond, Å.
        angle_cutoff: length below which bonds form angles, Å.

    Raises:
        DataError: an atom has no neighbour.

    Source: Deng et al., Nat. Mach. Intell. 5, 1031 (2023): atom graph and bond graph.
    """
    from pymatgen.optimization.neighbors import find_points_in_spheres

    cell = np.ascontiguousarray(atoms.cell.array, dtype=float)
    positions = np.ascontiguousarray(atoms.positions, dtype=float)
    centres, neighbours, images, distances = find_points_in_spheres(
        positions, positions, r=cutoff, pbc=np.ones(3, dtype=np.int64), lattice=cell, tol=SAME_PLACE
    )
    images = images.astype(np.int64)
    codes, reverse = _codes(centres, neighbours, images, len(positions))
    # a bond at the cutoff may be seen from one end alone; its weight is zero
    real = ((centres != neighbours) | (distances > SAME_PLACE)) & np.isin(reverse, codes)
    centres, neighbours, images, distances = centres[real], neighbours[real], images[real], distances[real]
    alone = len(positions) - len(np.unique(centres))
    if alone:
        raise DataError(f"{alone} isolated atoms: no neighbour within {cutoff:g} Å")
    _, undirected = np.unique(np.minimum(codes, reverse)[real], return_inverse=True)
    return Graph(
        numbers=atoms.numbers.astype(np.int64),
        fractional=np.linalg.solve(cell.T, positions.T).T,
        cell=cell,
        bonds=np.stack([centres, neighbours], axis=1),
        images=images,
        undirected=undirected,
        directed=np.argsort(undirected, kind="stable")[::2],
        angles=_angles(centres, distances < angle_cutoff),
    )


def _codes(
    centres: np.ndarray, neighbours: np.ndarray, images: np.ndarray, n_atoms: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return an integer (b,) for each directed bond, and that of the opposite bond."""
    reach = int(np.abs(images).max(initial=0))
    width = 2 * reach + 1
    steps = np.array([width * width, width, 1])
    pairs, back = centres * n_atoms + neighbours, neighbours * n_atoms + centres
    return pairs * width**3 + (images + reach) @ steps, back * width**3 + (reach - images) @ steps


def _angles(centres: np.ndarray, short: np.ndarray) -> np.ndarray:
    """Return centre, first and second bond (a, 3) of all ordered pairs of short bonds of an atom."""
    places = np.flatnonzero(short)
    places = places[np.argsort(centres[places], kind="stable")]
    _, starts, counts = np.unique(centres[places], return_index=True, return_counts=True)
    sizes = np.repeat(counts, counts)  # of each bond: the bonds of its centre
    first = np.repeat(np.arange(len(places)), sizes)
    within = np.arange(len(first)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    second = np.repeat(np.repeat(starts, counts), sizes) + within
    other = first != second
    first, second = places[first[other]], places[second[other]]
    return np.stack([centres[first], first, second], axis=1)


@dataclass(frozen=True)
class GraphBatch:
    """Several graphs as one, with the bases of their bonds and angles.

    Attributes:
        size: number of structures.
        numbers: (N,) int64, atomic numbers.
        owners: (N,) int64, structure of each atom.
        positions: (N, 3) float32, Å; the energy is differentiated with respect to them.
        strains: (B, 3, 3) float32, zeros; the energy is differentiated with respect to them.
        bonds: (2, b) int64, centre and neighbour of each directed bond.
        undirected: (b,) int64, undirected bond of each directed bond.
        bond_bases: (u, 31) bases of the undirected bonds.
        short: (s,) int64, undirected bonds that form angles.
        short_bases: (s, 31) their bases with the cutoff of angles.
        centres: (a,) int64, atom at each angle.
        first: (a,) int64, place in ``short`` of the first bond of each angle.
        second: (a,) int64, that of the second one.
        angle_bases: (a, 31) bases of the angles.
    """

    size: int
    numbers: torch.Tensor
    owners: torch.Tensor
    positions: torch.Tensor
    strains: torch.Tensor
    bonds: torch.Tensor
    undirected: torch.Tensor
    bond_bases: torch.Tensor
    short: torch.Tensor
    short_bases: torch.Tensor
    centres: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor
    angle_bases: torch.Tensor


def batched(graphs: Sequence[Graph], model: Any, device: str) -> GraphBatch:
    """Return several structures as one batch.

    Args:
        graphs: one per structure.
        model: CHGNet's model, whose bases are used.
        device: name of the device in PyTorch.
    """
    import torch

    before = np.cumsum([[0, 0, 0], *([len(g.numbers), len(g.bonds), len(g.directed)] for g in graphs)], axis=0)
    atoms_before, bonds_before, undirected_before = before[:-1].T

    def tensor(array: np.ndarray, dtype: torch.dtype = torch.int64) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(dtype).to(device)

    def joined(name: str, starts: Sequence[Any]) -> np.ndarray:
        return np.concatenate([getattr(graph, name) + start for graph, start in zip(graphs, starts, strict=True)])

    nothing = [0] * len(graphs)
    owners = tensor(np.repeat(np.arange(len(graphs)), np.diff(before[:, 0])))
    strains = torch.zeros(len(graphs), 3, 3, device=device, requires_grad=True)
    cells = tensor(np.stack([g.cell for g in graphs]), torch.float32) @ (torch.eye(3, device=device) + strains)
    fractional = tensor(joined("fractional", nothing), torch.float32)
    positions = torch.einsum("ni,nij->nj", fractional, cells[owners])
    bonds, undirected = tensor(joined("bonds", atoms_before).T), joined("undirected", undirected_before)
    images = tensor(joined("images", nothing), torch.float32)
    offsets = torch.einsum("bi,bij->bj", images, cells[owners[bonds[0]]])
    vectors = positions[bonds[0]] - positions[bonds[1]] - offsets
    lengths = vectors.norm(dim=1)
    units = vectors / lengths[:, None]
    starts = [np.array([atoms, edges, edges]) for atoms, edges in zip(atoms_before, bonds_before, strict=True)]
    centres, one, other = joined("angles", starts).T
    short, places = np.unique(undirected[np.concatenate([one, other])], return_inverse=True)
    of_undirected = lengths[tensor(joined("directed", bonds_before))]
    expansion = model.bond_basis_expansion
    return GraphBatch(
        size=len(graphs),
        numbers=tensor(joined("numbers", nothing)),
        owners=owners,
        positions=positions,
        strains=strains,
        bonds=bonds,
        undirected=tensor(undirected),
        bond_bases=expansion.rbf_expansion_ag(of_undirected),
        short=tensor(short),
        short_bases=expansion.rbf_expansion_bg(of_undirected[tensor(short)]),
        centres=tensor(centres),
        first=tensor(places[: len(one)]),
        second=tensor(places[len(one) :]),
        angle_bases=model.angle_basis_expansion(units[tensor(one)], units[tensor(other)]),
    )
