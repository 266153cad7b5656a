"""Equivariant attention over pairs of atoms, on spherical tensors (e3nn): norm, attention, feed-forward, one layer.

Features are (N, dim) tensors of irreps ``c0 x 0e + c1 x 1o + c2 x 2e + …``, as e3nn lays them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from adit.errors import ConfigError


def need_e3nn() -> Any:
    """Return the module ``e3nn``.

    Raises:
        ConfigError: e3nn is not installed.
    """
    try:
        import e3nn
        import e3nn.math
        import e3nn.nn
        import e3nn.o3
    except ImportError as error:
        raise ConfigError(
            f"model.vae.encoder: equivariant needs e3nn ({error}); pip install 'adit-pipeline[equivariant]', "
            "or set encoder: transformer"
        ) from None
    return e3nn


@dataclass(frozen=True)
class Neighborhood:
    """Inputs of a layer for each pair.

    Attributes:
        target: (E,) atom that receives (the query).
        source: (E,) its neighbour.
        harmonics: (E, (L + 1)²) spherical harmonics of the displacement.
        radial: (E, R) basis functions of the distance.
        envelope: (E,) 1 at distance 0, falling smoothly to 0 at the cutoff.
    """

    target: Int[Tensor, " e"]
    source: Int[Tensor, " e"]
    harmonics: Float[Tensor, "e h"]
    radial: Float[Tensor, "e r"]
    envelope: Float[Tensor, " e"]


def irreps(scalars: int, others: int, degree: int) -> Any:
    """Return the layout ``scalars x 0e + others x 1o + others x 2e + …`` of a feature.

    Args:
        scalars: number of channels of degree 0.
        others: number of channels of each higher degree.
        degree: highest degree; each degree has the parity of its spherical harmonics.

    Raises:
        ConfigError: e3nn is not installed.
    """
    o3 = need_e3nn().o3
    return o3.Irreps([(others if l else scalars, (l, (-1) ** l)) for l in range(degree + 1)])  # noqa: E741


class EquivariantNorm(nn.Module):
    """Layer norm of the scalars; each higher degree is divided by its root mean square over channels.

    Args:
        layout: irreps of the features; the scalars come first.
    """

    def __init__(self, layout: Any) -> None:
        super().__init__()
        self.blocks = [(part.mul, part.ir.dim) for part in layout]
        self.scalars = nn.LayerNorm(self.blocks[0][0])
        self.scale = nn.ParameterList([nn.Parameter(torch.ones(mul, 1)) for mul, _ in self.blocks[1:]])

    def forward(self, x: Float[Tensor, "n i"]) -> Float[Tensor, "n i"]:
        """Normalise every atom separately."""
        first, *rest = torch.split(x, [mul * dim for mul, dim in self.blocks], dim=-1)
        normed = [self.scalars(first)]
        for values, scale, (mul, dim) in zip(rest, self.scale, self.blocks[1:], strict=True):
            channels = values.view(-1, mul, dim)
            size = channels.square().sum(dim=2, keepdim=True).mean(dim=1, keepdim=True)
            normed.append((channels * torch.rsqrt(size + 1e-5) * scale).flatten(1))
        return torch.cat(normed, dim=-1)


class EquivariantAttention(nn.Module):
    """Attention whose values are tensor products of a neighbour's features with the harmonics of its direction.

    The weights come from scalars alone and fall to zero at the cutoff.

    Args:
        layout: irreps of the features; the scalars come first.
        values: channels of each degree of the values.
        heads: attention heads; divides the number of scalars.
        degree: highest degree of the spherical harmonics.
        radial: number of basis functions of the distance.

    Source: Liao et al. (2024), Section 3, in its form before the reduction to SO(2) convolutions.

    Raises:
        ConfigError: e3nn is not installed.
    """

    head_of: Tensor

    def __init__(self, layout: Any, values: int, heads: int, degree: int, radial: int) -> None:
        super().__init__()
        o3 = need_e3nn().o3
        scalars = layout[0].mul
        self.scalars, self.heads = scalars, heads
        harmonics, inner = irreps(1, 1, degree), irreps(values, values, degree)
        paths = [
            (i, j, part)
            for i, (_, left) in enumerate(inner)
            for j, (_, right) in enumerate(harmonics)
            for part in left * right
            if part in [part for _, part in layout]
        ]
        paths = sorted(paths, key=lambda path: path[2].l)
        outputs = o3.Irreps([(values, part) for _, _, part in paths])
        instructions = [(i, j, k, "uvu", True) for k, (i, j, _) in enumerate(paths)]
        self.value = o3.Linear(layout, inner)
        self.product = o3.TensorProduct(
            inner, harmonics, outputs, instructions, shared_weights=False, internal_weights=False
        )
        self.distance = nn.Sequential(
            nn.Linear(radial, 64), nn.SiLU(), nn.Linear(64, self.product.weight_numel + scalars)
        )
        self.query, self.key = nn.Linear(scalars, scalars), nn.Linear(scalars, scalars, bias=False)
        self.score = nn.Parameter(torch.randn(heads, scalars // heads) * (scalars // heads) ** -0.5)
        self.out = o3.Linear(outputs, layout)
        owner = torch.arange(values) * heads // values
        heads_of = [owner.repeat_interleave(part.dim) for _, part in outputs]
        self.register_buffer("head_of", torch.cat(heads_of), persistent=False)

    def forward(self, x: Float[Tensor, "n i"], around: Neighborhood) -> Float[Tensor, "n i"]:
        """Attend from every atom to its neighbours and to itself."""
        invariants = x[:, : self.scalars]
        strength, bias = torch.split(self.distance(around.radial), [self.product.weight_numel, self.scalars], dim=-1)
        mixed = nn.functional.silu(self.query(invariants)[around.target] + self.key(invariants)[around.source] + bias)
        scores = (mixed.view(len(mixed), self.heads, -1) * self.score).sum(dim=-1)
        weights = softmax_over_pairs(scores, around.envelope, around.target, len(x))
        values = self.product(self.value(x)[around.source], around.harmonics, strength)
        values = values * weights[:, self.head_of]
        return self.out(values.new_zeros(len(x), values.shape[1]).index_add(0, around.target, values))


def softmax_over_pairs(
    scores: Float[Tensor, "e h"], envelope: Float[Tensor, " e"], target: Int[Tensor, " e"], atoms: int
) -> Float[Tensor, "e h"]:
    """Return envelope · exp(score), divided by its sum over the pairs of the same target.

    Args:
        scores: (E, heads) of each pair.
        envelope: (E,) factor of each pair.
        target: (E,) atom that receives.
        atoms: number of atoms.
    """
    index = target[:, None].expand_as(scores)
    top = scores.new_full((atoms, scores.shape[1]), -torch.inf).scatter_reduce(0, index, scores.detach(), "amax")
    raised = envelope[:, None] * torch.exp(scores - top[target])
    total = raised.new_zeros(atoms, scores.shape[1]).index_add(0, target, raised)
    return raised / total[target].clamp(min=1e-12)


class EquivariantFeedForward(nn.Module):
    """Linear, gate, linear: scalars pass an activation, every other channel is scaled by a scalar of its own.

    Args:
        layout: irreps of the features; the scalars come first.

    Raises:
        ConfigError: e3nn is not installed.
    """

    def __init__(self, layout: Any) -> None:
        super().__init__()
        e3nn = need_e3nn()
        o3, silu, sigmoid = e3nn.o3, nn.functional.silu, torch.sigmoid
        scalars, rest = layout[:1], layout[1:]
        inner = o3.Irreps([(2 * scalars[0].mul, "0e")])
        gates = o3.Irreps([(sum(part.mul for part in rest), "0e")]) if rest else o3.Irreps("")
        self.gate = e3nn.nn.Gate(inner, [silu], gates, [sigmoid] if rest else [], rest)
        self.into = o3.Linear(layout, self.gate.irreps_in, biases=True)
        self.out = o3.Linear(self.gate.irreps_out, layout, biases=True)

    def forward(self, x: Float[Tensor, "n i"]) -> Float[Tensor, "n i"]:
        """Apply to every atom separately."""
        return self.out(self.gate(self.into(x)))


class EquivariantLayer(nn.Module):
    """Attention, then feed-forward, each on normalised features and added to them.

    Arguments are those of ``EquivariantAttention``.

    Raises:
        ConfigError: e3nn is not installed.
    """

    def __init__(self, layout: Any, values: int, heads: int, degree: int, radial: int) -> None:
        super().__init__()
        self.norm_attention = EquivariantNorm(layout)
        self.attention = EquivariantAttention(layout, values, heads, degree, radial)
        self.norm_feed = EquivariantNorm(layout)
        self.feed = EquivariantFeedForward(layout)

    def forward(self, x: Float[Tensor, "n i"], around: Neighborhood) -> Float[Tensor, "n i"]:
        """Apply the layer."""
        x = x + self.attention(self.norm_attention(x), around)
        return x + self.feed(self.norm_feed(x))
