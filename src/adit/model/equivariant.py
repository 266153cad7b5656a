"""Encoder and decoder of the equivariant autoencoder: attention on spherical tensors, and equivariant output heads.

A latent is ``latent_dim - 3 k`` scalars, then k vectors (x, y, z): under a rotation of the system the scalars are
invariant, and the vectors rotate with it. The encoder sees displacements only: it is invariant to translation.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from adit.config import VaeModelConfig
from adit.model.blocks import IndexEmbedding, coordinate_mlp
from adit.model.equivariant_blocks import EquivariantLayer, EquivariantNorm, Neighborhood, irreps, need_e3nn
from adit.model.features import Features
from adit.model.neighbors import pairs_within
from adit.model.padding import masked_mean, pad
from adit.model.posterior import Decoded, Posterior
from adit.units import ANGSTROM_PER_NM

RADIAL = 16
"""Number of basis functions of the distance."""

NARROWING = 4
"""Ratio of the scalar channels to the channels of each higher degree, and to those of the attention's values."""


class EquivariantEncoder(nn.Module):
    """Algorithm 1 with an equivariant network for line 4 and without line 2. Source: Appendix D, Table 5.

    The cutoff of the configuration is in Å; inside, it is in nm as the positions are.

    Differs: attention with full tensor products in place of Equiformer-V2's SO(2) convolutions.

    Attributes:
        n_pairs: number of pairs of atoms within the cutoff in the last batch.

    Raises:
        ConfigError: e3nn is not installed.
    """

    n_pairs: int = 0

    def __init__(self, config: VaeModelConfig, max_atomic_number: int) -> None:
        super().__init__()
        o3 = need_e3nn().o3
        self.cutoff, self.degree = config.cutoff / ANGSTROM_PER_NM, config.max_degree
        self.vectors, self.scalars = config.latent_vectors, config.d_model
        narrow = config.d_model // NARROWING
        layout = irreps(config.d_model, narrow, config.max_degree)
        self.width = layout.dim
        self.types = nn.Embedding(max_atomic_number + 1, config.d_model)
        self.fractional = coordinate_mlp(3, config.d_model)
        self.lattice = coordinate_mlp(6, config.d_model) if config.encode_lattice else None
        self.index = IndexEmbedding(config.d_model) if config.index_embedding else None
        self.harmonics = o3.SphericalHarmonics(irreps(1, 1, config.max_degree), True, "component")
        self.layers = nn.ModuleList(
            [
                EquivariantLayer(layout, narrow, config.heads, config.max_degree, RADIAL)
                for _ in range(config.encoder_layers)
            ]
        )
        self.norm = EquivariantNorm(layout)
        invariant = config.latent_dim - 3 * self.vectors
        self.mean = nn.Linear(config.d_model, invariant)
        self.mean_vectors = o3.Linear(layout, f"{self.vectors}x1o") if self.vectors else None
        # A vector has one σ for its three components: with three, the Gaussian would not rotate with the system.
        self.logvar = nn.Linear(config.d_model, invariant + self.vectors)
        repeats = torch.tensor([1] * invariant + [3] * self.vectors)
        self.register_buffer("channel", torch.repeat_interleave(repeats), persistent=False)
        nn.init.normal_(self.types.weight, std=0.2)
        nn.init.constant_(self.logvar.bias, -6.0)

    channel: Tensor

    def forward(self, features: Features) -> Posterior:
        """Encode a batch; always in fp32, also under autocast."""
        with torch.autocast(features.mask.device.type, enabled=False):
            h = self.types(features.numbers) + self.fractional(features.fractional)
            if self.lattice is not None:
                h = h + self.lattice(features.lattice)[:, None, :]
            if self.index is not None:
                h = h + self.index(h)
            x = nn.functional.pad(h[features.mask], (0, self.width - self.scalars))
            around = self.neighborhood(features)
            for layer in self.layers:
                x = layer(x, around)
            x = self.norm(x)
            invariants = x[:, : self.scalars]
            mean = self.mean(invariants)
            if self.mean_vectors is not None:
                mean = torch.cat([mean, self.mean_vectors(x)], dim=-1)
            logvar = self.logvar(invariants).clamp(-20.0, 5.0)[:, self.channel]
            return Posterior(pad(mean, features.mask), pad(logvar, features.mask))

    def neighborhood(self, features: Features) -> Neighborhood:
        """Return all pairs of atoms within the cutoff, with the inputs of the layers for each pair."""
        e3nn = need_e3nn()
        pairs = pairs_within(
            features.positions[features.mask],
            features.mask.sum(dim=1),
            features.cell,
            features.periodic,
            self.cutoff,
        )
        self.n_pairs = len(pairs.target)
        distance = torch.linalg.norm(pairs.vectors, dim=1)
        basis = e3nn.math.soft_one_hot_linspace(distance, 0.0, self.cutoff, RADIAL, basis="gaussian", cutoff=False)
        envelope = 0.5 * (torch.cos(distance * (math.pi / self.cutoff)) + 1.0)
        return Neighborhood(
            pairs.target, pairs.source, self.harmonics(pairs.vectors), basis * math.sqrt(RADIAL), envelope
        )


class VectorBlock(nn.Module):
    """Update of an atom's scalars and vectors: scalars receive the vectors' lengths, vectors are mixed and scaled."""

    def __init__(self, scalars: int, vectors: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(scalars)
        self.mix = nn.Linear(vectors, vectors, bias=False)
        self.into = nn.Linear(scalars + vectors, 2 * scalars)
        self.out = nn.Linear(2 * scalars, scalars + vectors)

    def forward(
        self, s: Float[Tensor, "b m c"], v: Float[Tensor, "b m 3 k"]
    ) -> tuple[Float[Tensor, "b m c"], Float[Tensor, "b m 3 k"]]:
        """Apply the block to every atom separately; the third dimension of ``v`` holds x, y, z of its k vectors."""
        mixed = self.mix(v)
        lengths = torch.sqrt(mixed.square().sum(dim=2) + 1e-8)
        hidden = nn.functional.silu(self.into(torch.cat([self.norm(s), lengths], dim=-1)))
        update, gates = self.out(hidden).split([s.shape[-1], v.shape[-1]], dim=-1)
        return s + update, v + gates[:, :, None, :] * mixed


class EquivariantHeads(nn.Module):
    """Algorithm 2 as an equivariant feed-forward network: each atom is decoded separately.

    Positions are weighted sums of the latent's vectors, everything else is made of invariants. Source: Appendix D.
    """

    def __init__(self, config: VaeModelConfig, max_atomic_number: int) -> None:
        super().__init__()
        width, narrow = config.d_model, config.d_model // NARROWING
        self.vectors = config.latent_vectors
        self.scalars = nn.Linear(config.latent_dim - 3 * self.vectors, width)
        self.expand = nn.Linear(self.vectors, narrow, bias=False) if self.vectors else None
        self.index = IndexEmbedding(width) if config.index_embedding else None
        self.blocks = nn.ModuleList([VectorBlock(width, narrow) for _ in range(config.decoder_layers)])
        self.norm = nn.LayerNorm(width)
        self.types = nn.Linear(width, max_atomic_number)
        self.positions = nn.Linear(narrow, 1, bias=False)
        self.fractional = nn.Linear(width, 3)
        self.lattice = nn.Linear(width, 6)
        with torch.no_grad():  # start at an ordinary cell: 3 Å n^(1/3) and right angles
            self.lattice.bias.copy_(torch.tensor([3.0] * 3 + [math.pi / 2] * 3))

    def forward(self, latents: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"]) -> Decoded:
        """Decode a batch; only the lattice depends on all atoms of a system. Always in fp32, also under autocast."""
        with torch.autocast(latents.device.type, enabled=False):
            s, v = torch.split(latents, [latents.shape[-1] - 3 * self.vectors, 3 * self.vectors], dim=-1)
            s, v = self.scalars(s), self._expanded(v)
            if self.index is not None:
                s = s + self.index(s)
            for block in self.blocks:
                s, v = block(s, v)
            s = self.norm(s)
            return Decoded(
                logits=self.types(s),
                positions=self.positions(v).squeeze(-1),
                fractional=self.fractional(s),
                lattice=self.lattice(masked_mean(s, mask)),
            )

    def _expanded(self, v: Float[Tensor, "b m k3"]) -> Float[Tensor, "b m 3 c"]:
        """Return the channels of the vectors; zeros where a latent has none."""
        if self.expand is None:
            return v.new_zeros(*v.shape[:2], 3, self.positions.in_features)
        return self.expand(v.reshape(*v.shape[:2], self.vectors, 3).transpose(2, 3))
