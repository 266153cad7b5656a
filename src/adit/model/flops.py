"""Floating-point operations of a training step, counted from the networks' shapes."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import torch
from torch import nn

from adit.model.blocks import SelfAttention
from adit.model.build import autocast
from adit.model.equivariant import EquivariantEncoder, EquivariantHeads, VectorBlock
from adit.model.equivariant_blocks import EquivariantAttention

ONCE = ("modulation", "time", "condition", "lattice", "index")
"""Names of layers that act once per system, or once per place in the order of atoms, for all systems of a batch."""


def training_flops(module: nn.Module, sizes: np.ndarray) -> float:
    """Return the operations of one forward and one backward pass over systems of some sizes, without padding.

    Two operations per weight and atom in the forward pass, four in the backward pass; the products of attention grow
    with the square of the number of atoms. An equivariant encoder has weights per pair of atoms too: the pairs counted
    are those of the last batch that it encoded. Not counted: layers of ``ONCE``, the second evaluation of
    self-conditioning, and encoding during the training of the denoiser.

    Args:
        module: the network.
        sizes: (B,) atoms of each system.
    """
    per_atom, width = per_atom_weights(module)
    atoms, squares = float(sizes.sum()), float((sizes.astype(np.float64) ** 2).sum())
    return 6.0 * per_atom * atoms + 12.0 * width * squares + 6.0 * _pair_products(module)


def per_atom_weights(module: nn.Module) -> tuple[int, int]:
    """Return the number of multiplications by weights for every atom, and the summed width of attention.

    A weight that acts on x, y and z of a vector multiplies three times, and one of degree l 2 l + 1 times.
    """
    weights = width = 0
    per_pair, components = _per_pair(module), _components(module)
    for name, layer in module.named_modules():
        if isinstance(layer, SelfAttention):
            width += layer.out.in_features
        if layer in per_pair or any(part in ONCE for part in name.split(".")):
            continue
        if isinstance(layer, nn.Linear):
            weights += layer.weight.numel() * components.get(layer, 1)
        elif _is_linear_of_e3nn(layer):
            weights += _linear_products(layer)
    return weights, width


def per_pair_weights(attention: EquivariantAttention) -> int:
    """Return the number of multiplications for every pair of atoms in an equivariant attention.

    Those of the network of the distance, and of the tensor product: for degrees l₁ and l₂ to l₃ the coefficients are
    first multiplied with the harmonics, and the result with each channel of the values. With a degree of 0, numbers are
    multiplied one by one.
    """
    total = sum(layer.weight.numel() for layer in attention.distance if isinstance(layer, nn.Linear))
    product = attention.product
    for path in product.instructions:
        one = product.irreps_in1[path.i_in1].ir.dim
        two = product.irreps_in2[path.i_in2].ir.dim
        out = product.irreps_out[path.i_out].ir.dim
        channels = math.prod(path.path_shape)
        whole = one * two * out + channels * one * out
        total += channels * max(one, two, out) if 1 in (one, two, out) else whole
    return int(total)


def _pair_products(module: nn.Module) -> float:
    """Return the multiplications over all pairs of the last batch that an equivariant encoder has seen."""
    total = 0.0
    for encoder in module.modules():
        if isinstance(encoder, EquivariantEncoder):
            attentions = [each for each in encoder.modules() if isinstance(each, EquivariantAttention)]
            total += float(encoder.n_pairs) * sum(map(per_pair_weights, attentions))
    return total


def _per_pair(module: nn.Module) -> set[nn.Module]:
    """Return the layers that act on pairs of atoms, those within them included."""
    attentions = [each for each in module.modules() if isinstance(each, EquivariantAttention)]
    return {inner for each in attentions for part in (each.distance, each.product) for inner in part.modules()}


def _components(module: nn.Module) -> dict[nn.Module, int]:
    """Return the layers that act on the components of vectors, with their number."""
    layers: list[nn.Module | None] = []
    for each in module.modules():
        if isinstance(each, EquivariantHeads):
            layers += [each.expand, each.positions]
        elif isinstance(each, VectorBlock):
            layers.append(each.mix)
    return {layer: 3 for layer in layers if layer is not None}


def _is_linear_of_e3nn(layer: nn.Module) -> bool:
    return type(layer).__name__ == "Linear" and type(layer).__module__.startswith("e3nn.")


def _linear_products(layer: Any) -> int:
    """Return the multiplications of a linear layer of e3nn: its weights, each times the size of its degree."""
    paths = [each for each in layer.instructions if each.i_in >= 0]  # the others are biases
    return int(sum(math.prod(each.path_shape) * layer.irreps_in[each.i_in].ir.dim for each in paths))


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
