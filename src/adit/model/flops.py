"""Floating-point operations of a training step, counted from the networks' shapes."""

from __future__ import annotations

import numpy as np
from torch import nn

from adit.model.blocks import SelfAttention


def training_flops(module: nn.Module, sizes: np.ndarray) -> float:
    """Return the operations of one forward and one backward pass over systems of some sizes, without padding.

    Two operations a weight and atom forward, four backward; the products of attention go with the square of the size.
    Weights that act once a system (embeddings of times and labels, adaLN) and the second evaluation of
    self-conditioning are not counted.

    Args:
        module: the network.
        sizes: (B,) atoms of each system.
    """
    per_atom, width = per_atom_weights(module)
    atoms, squares = float(sizes.sum()), float((sizes.astype(np.float64) ** 2).sum())
    return 6.0 * per_atom * atoms + 12.0 * width * squares


def per_atom_weights(module: nn.Module) -> tuple[int, int]:
    """Return the weights of the linear layers that act on every atom, and the summed width of all attention layers."""
    weights = width = 0
    for name, layer in module.named_modules():
        if isinstance(layer, SelfAttention):
            width += layer.out.in_features
        once = any(part in name for part in ("modulation", "time.", "condition."))
        if isinstance(layer, nn.Linear) and not once and not name.endswith("decoder.lattice"):
            weights += layer.weight.numel()
    return weights, width
