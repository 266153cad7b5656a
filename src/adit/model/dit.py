"""The denoiser: a Diffusion Transformer over the latents of one system's atoms."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from adit.config import DitModelConfig
from adit.model.blocks import FeedForward, SelfAttention, TimeEmbedding, full_precision, sinusoids
from adit.model.conditions import ConditionEmbedding, Conditions
from adit.systems import Kind


def _modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1.0 + scale[:, None, :]) + shift[:, None, :]


class DitBlock(nn.Module):
    """Attention and feed-forward, modulated by the condition (adaLN-zero). Source: Peebles and Xie (2023)."""

    def __init__(self, d_model: int, heads: int, qk_norm: bool = False) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(d_model, elementwise_affine=False, eps=1e-6)
        self.attention = SelfAttention(d_model, heads, qk_norm)
        self.norm_feed = nn.LayerNorm(d_model, elementwise_affine=False, eps=1e-6)
        self.feed = FeedForward(d_model, nn.GELU())
        self.modulation = nn.Linear(d_model, 6 * d_model)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(
        self, x: Float[Tensor, "b m d"], condition: Float[Tensor, "b d"], mask: Bool[Tensor, "b m"]
    ) -> Float[Tensor, "b m d"]:
        """Apply the block; at initialisation it is the identity."""
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = self.modulation(condition).chunk(6, dim=-1)
        x = x + gate_a[:, None, :] * self.attention(_modulate(self.norm_attention(x), shift_a, scale_a), mask)
        return x + gate_f[:, None, :] * self.feed(_modulate(self.norm_feed(x), shift_f, scale_f))


class DiT(nn.Module):
    """Predict the clean latents from noisy ones. Source: Section 2.2, Eq. 11.

    ``latent_mean`` and ``latent_std`` map the autoencoder's latents to the space in which the model works: (d,), or
    (kinds, d) with ``normalize_latents: by-kind``. They are 0 and 1 where ``normalize_latents`` is off.
    """

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: DitModelConfig, latent_dim: int) -> None:
        super().__init__()
        self.config = config
        self.latent_dim = latent_dim
        d_model = config.d_model
        shape = (len(Kind), latent_dim) if config.normalize_latents == "by-kind" else (latent_dim,)
        self.register_buffer("latent_mean", torch.zeros(shape))
        self.register_buffer("latent_std", torch.ones(shape))
        self.embed = nn.Linear(2 * latent_dim, d_model)
        self.time = TimeEmbedding(d_model)
        self.index = nn.Linear(d_model, d_model) if config.index_embedding else None
        self.condition = ConditionEmbedding(config.labels, d_model)
        self.blocks = nn.ModuleList([DitBlock(d_model, config.heads, config.qk_norm) for _ in range(config.layers)])
        self.norm = nn.LayerNorm(d_model, elementwise_affine=False, eps=1e-6)
        self.modulation = nn.Linear(d_model, 2 * d_model)
        self.out = nn.Linear(d_model, latent_dim)
        for layer in (self.modulation, self.out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        noisy: Float[Tensor, "b m d"],
        previous: Float[Tensor, "b m d"],
        t: Float[Tensor, " b"],
        conditions: Conditions,
        mask: Bool[Tensor, "b m"],
        skip: tuple[int, ...] = (),
    ) -> Float[Tensor, "b m d"]:
        """Predict Z′⁽¹⁾ in the model's space (see ``normalize``), in float32 or higher precision.

        With ``prediction: velocity``, the network's output is the velocity, and Z⁽ᵗ⁾ + (1 − t)·output is returned.

        Args:
            noisy: Z⁽ᵗ⁾.
            previous: an earlier prediction of the clean latents (self-conditioning); zeros for none.
            t: time of each system, in [0, 1].
            conditions: kind and further labels of each system.
            mask: real atoms.
            skip: blocks to leave out, counted from 0: a weaker model, for guidance.
        """
        condition = nn.functional.silu(self.time(t) + self.condition(conditions))
        x = self.embed(torch.cat([noisy, previous], dim=-1))
        if self.index is not None:
            places = torch.arange(x.shape[1], device=x.device)
            x = x + self.index(sinusoids(places, x.shape[-1]).to(x.dtype))
        for place, block in enumerate(self.blocks):
            if place not in skip:
                x = block(x, condition, mask)
        shift, scale = self.modulation(condition).chunk(2, dim=-1)
        out = full_precision(self.out(_modulate(self.norm(x), shift, scale)))
        return out if self.config.prediction == "clean" else noisy + (1.0 - t)[:, None, None] * out

    def normalize(self, latents: Float[Tensor, "b m d"], kind: Int[Tensor, " b"]) -> Float[Tensor, "b m d"]:
        """Map the autoencoder's latents of systems of kinds ``Kind.label`` to the model's space."""
        return (latents - self._of(self.latent_mean, kind)) / self._of(self.latent_std, kind)

    def denormalize(self, latents: Float[Tensor, "b m d"], kind: Int[Tensor, " b"]) -> Float[Tensor, "b m d"]:
        """Map the model's space to the autoencoder's latents of systems of kinds ``Kind.label``."""
        return latents * self._of(self.latent_std, kind) + self._of(self.latent_mean, kind)

    @staticmethod
    def _of(statistics: Tensor, kind: Tensor) -> Tensor:
        """Return (d,) statistics of all kinds, or (B, 1, d) of each system's kind."""
        return statistics if statistics.ndim == 1 else statistics[kind][:, None, :]
