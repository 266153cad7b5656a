"""Shared blocks: masked self-attention, feed-forward, pre-norm Transformer encoder, time embedding."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional


def full_precision(values: Tensor) -> Tensor:
    """Return ``values`` in float32 where they are of lower precision (autocast); float64 stays."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


class SelfAttention(nn.Module):
    """Multi-head self-attention over the real atoms of each system.

    Args:
        d_model: width of the features.
        heads: attention heads.
        qk_norm: normalise queries and keys (not in the paper).
    """

    def __init__(self, d_model: int, heads: int, qk_norm: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.norm_q = nn.RMSNorm(d_model // heads) if qk_norm else None
        self.norm_k = nn.RMSNorm(d_model // heads) if qk_norm else None
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"]) -> Float[Tensor, "b m d"]:
        """Attend from every atom to the real atoms of its system."""
        b, m, d = x.shape
        q, k, v = self.qkv(x).view(b, m, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        if self.norm_q is not None and self.norm_k is not None:
            q, k = self.norm_q(q), self.norm_k(k)
        mixed = (matmul_attention if x.device.type == "cpu" else fused_attention)(q, k, v, mask)
        return self.out(mixed.transpose(1, 2).reshape(b, m, d))


def matmul_attention(
    q: Float[Tensor, "b h m k"], k: Float[Tensor, "b h m k"], v: Float[Tensor, "b h m k"], mask: Bool[Tensor, "b m"]
) -> Float[Tensor, "b h m k"]:
    """Attend by batched matrix products: on a CPU much faster than the fused kernel in the backward pass.

    Args:
        q: queries (B, heads, M, channels per head).
        k: keys, of the same shape.
        v: values, of the same shape.
        mask: (B, M) real atoms, which alone are attended to; at least one in each system.

    Source: Vaswani et al. (2017), Eq. 1.
    """
    scores = (q * (1.0 / math.sqrt(q.shape[-1]))) @ k.transpose(-2, -1)
    scores = scores.masked_fill(~mask[:, None, None, :], -torch.inf)
    return torch.softmax(full_precision(scores), dim=-1).to(v.dtype) @ v


def fused_attention(
    q: Float[Tensor, "b h m k"], k: Float[Tensor, "b h m k"], v: Float[Tensor, "b h m k"], mask: Bool[Tensor, "b m"]
) -> Float[Tensor, "b h m k"]:
    """Attend by the fused kernel of torch; arguments as of ``matmul_attention``."""
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])


class FeedForward(nn.Sequential):
    """Linear, activation, linear, with four times the width inside."""

    def __init__(self, d_model: int, activation: nn.Module) -> None:
        super().__init__(nn.Linear(d_model, 4 * d_model), activation, nn.Linear(4 * d_model, d_model))


class EncoderLayer(nn.Module):
    """One pre-norm Transformer layer. Differs: ``torch.nn.TransformerEncoder`` is post-norm by default."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(d_model)
        self.attention = SelfAttention(d_model, heads)
        self.norm_feed = nn.LayerNorm(d_model)
        self.feed = FeedForward(d_model, nn.ReLU())

    def forward(self, x: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"]) -> Float[Tensor, "b m d"]:
        """Apply attention, then the feed-forward network."""
        x = x + self.attention(self.norm_attention(x), mask)
        return x + self.feed(self.norm_feed(x))


class TransformerEncoder(nn.Module):
    """A stack of pre-norm layers with a final layer norm."""

    def __init__(self, d_model: int, heads: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([EncoderLayer(d_model, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"]) -> Float[Tensor, "b m d"]:
        """Apply every layer."""
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)


def sinusoids(places: Int[Tensor, " m"], width: int) -> Float[Tensor, "m w"]:
    """Return the sinusoidal encoding of integer positions 0, 1, 2, …: ``width`` channels, cosines before sines.

    Source: Vaswani et al. (2017).
    """
    half = width // 2
    frequencies = torch.exp(-math.log(10000.0) * torch.arange(half, device=places.device) / half)
    angles = places[:, None] * frequencies[None, :]
    return functional.pad(torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1), (0, width - 2 * half))


class IndexEmbedding(nn.Module):
    """Embedding of each atom's index in the canonical order. Differs: not in the paper."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.linear = nn.Linear(d_model, d_model)

    def forward(self, x: Float[Tensor, "b m d"]) -> Float[Tensor, "m d"]:
        """Return the term (M, d) to add to the features of every system of a batch; of ``x``, only the shape counts."""
        return self.linear(sinusoids(torch.arange(x.shape[1], device=x.device), x.shape[-1]).to(x.dtype))


def coordinate_mlp(inputs: int, d_model: int) -> nn.Sequential:
    """Return the two-layer network of lines 2 and 3 of Algorithm 1, from ``inputs`` to ``d_model`` channels."""
    return nn.Sequential(nn.Linear(inputs, d_model), nn.SiLU(), nn.Linear(d_model, d_model))


class TimeEmbedding(nn.Module):
    """Sinusoidal embedding of t in [0, 1] and a two-layer network. Source: Peebles and Xie (2023).

    Args:
        d_model: width of the embedding.
        frequencies: number of frequencies, from 1 down to nearly 1/10000, for t scaled by 1000.
    """

    frequencies: Tensor

    def __init__(self, d_model: int, frequencies: int = 128) -> None:
        super().__init__()
        self.register_buffer(
            "frequencies", torch.exp(-math.log(10000.0) * torch.arange(frequencies) / frequencies), persistent=False
        )
        self.mlp = nn.Sequential(nn.Linear(2 * frequencies, d_model), nn.SiLU(), nn.Linear(d_model, d_model))

    def forward(self, t: Float[Tensor, " b"]) -> Float[Tensor, "b d"]:
        """Embed times; they are scaled by 1000 to the range of the steps of a diffusion model."""
        angles = 1000.0 * t[:, None] * self.frequencies[None, :]
        return self.mlp(torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1))
