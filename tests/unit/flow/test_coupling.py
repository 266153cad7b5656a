"""Optimal-transport coupling: the same noise, nearer to the latents, within sizes."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from adit.flow.coupling import optimal_transport
from adit.model.padding import padding_mask


def test_noise_is_exchanged_among_equals_at_the_least_cost() -> None:
    sizes = np.array([3, 2, 3, 2, 3, 5])
    mask = padding_mask(torch.from_numpy(sizes))[..., None]
    generator = torch.Generator().manual_seed(0)
    noise, clean = (torch.randn(6, 5, 4, generator=generator) * mask for _ in range(2))
    coupled = optimal_transport(noise, clean, sizes)
    for size in (2, 3, 5):
        rows = np.flatnonzero(sizes == size)
        costs = {
            order: float((noise[rows[list(order)]] - clean[rows]).square().sum())
            for order in itertools.permutations(range(len(rows)))
        }
        best = min(costs, key=lambda order: costs[order])
        assert torch.equal(coupled[rows], noise[rows[list(best)]])
