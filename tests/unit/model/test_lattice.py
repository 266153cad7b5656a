"""Lengths and angles of cells at their limits."""

from __future__ import annotations

import math

import torch

from adit.model.features import lattice_parameters


def test_the_angle_of_opposite_vectors_is_a_number() -> None:
    """The cosine of a vector and its opposite is below -1 for some of them, by rounding."""
    first = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    cell = torch.stack([first, -first, first.roll(1, dims=1)], dim=1)
    ones = torch.ones(200, dtype=torch.long)
    gamma = lattice_parameters(cell, ones, ones.bool())[:, 5]
    unit = first / torch.linalg.norm(first, dim=-1, keepdim=True)
    assert bool(((unit * -unit).sum(-1) < -1.0).any())
    torch.testing.assert_close(gamma, torch.full((200,), math.pi), rtol=0.0, atol=1e-3)
