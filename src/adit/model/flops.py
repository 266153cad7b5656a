"""Floating-point operations of a training step, counted from the networks' shapes."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import nn

from adit.model.blocks import SelfAttention
from adit.model.build import autocast


def training_flops(module: nn.Module, sizes: np.ndarray) -> float:
    """Return the operations of one forward and one backward pass over systems of some sizes, without padding.

    Two operations per weight and atom in the forward pass, four in the backward pass; the products of attention grow
    with the square of the number of atoms. Not counted: weights that act once per system (embeddings of times and
    labels, adaLN), the second evaluation of self-conditioning, and the layers of e3nn in an equivariant encoder.

    Args:
        module: the network.
        sizes: (B,) atoms of each system.
    """
    per_atom, width = per_atom_weights(module)
    atoms, squares = float(sizes.sum()), float((sizes.astype(np.float64) ** 2).sum())
    return 6.0 * per_atom * atoms + 12.0 * width * squares


def per_atom_weights(module: nn.Module) -> tuple[int, int]:
    """Return the number of weights of linear layers that act on every atom, and the summed width of attention."""
    weights = width = 0
    for name, layer in module.named_modules():
        if isinstance(layer, SelfAttention):
            width += layer.out.in_features
        once = any(part in name for part in ("modulation", "time.", "condition."))
        if isinstance(layer, nn.Linear) and not once and not name.endswith("decoder.lattice"):
            weights += layer.weight.numel()
    return weights, width


def matmul_rate(device: torch.device, precision: str) -> float:
    """Return the rate of plain square matrix products in the precision of a training, operations per second.

    The best of several measurements, since other load on the machine lowers it.

    Args:
        device: the device to measure.
        precision: ``auto``, ``bf16`` or ``fp32``.
    """
    size = 4096 if device.type == "cuda" else 512
    with autocast(device, precision), torch.no_grad():
        a, b = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
        if torch.is_autocast_enabled(device.type):
            a, b = a.to(torch.bfloat16), b.to(torch.bfloat16)
        rates = []
        for _ in range(4):
            started = time.perf_counter()
            for _ in range(4):
                torch.mm(a, b)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            rates.append(4 * 2.0 * size**3 / (time.perf_counter() - started))
    return max(rates)
