"""The autoencoder: all-atom systems to one latent per atom and back."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from adit.config import VaeModelConfig
from adit.model.blocks import IndexEmbedding, TransformerEncoder, coordinate_mlp, full_precision
from adit.model.equivariant import EquivariantEncoder, EquivariantHeads
from adit.model.features import Features
from adit.model.padding import masked_mean
from adit.model.posterior import Decoded, Posterior
from adit.transfer import exact

__all__ = ["VAE", "Decoded", "Decoder", "Encoder", "Posterior"]


class Encoder(nn.Module):
    """Algorithm 1: from the attributes of each atom to the posterior of its latent."""

    def __init__(self, config: VaeModelConfig, max_atomic_number: int) -> None:
        super().__init__()
        self.types = nn.Embedding(max_atomic_number + 1, config.d_model)
        self.positions = coordinate_mlp(3, config.d_model)
        self.fractional = coordinate_mlp(3, config.d_model)
        self.lattice = coordinate_mlp(6, config.d_model) if config.encode_lattice else None
        self.index = IndexEmbedding(config.d_model) if config.index_embedding else None
        self.transformer = TransformerEncoder(config.d_model, config.heads, config.encoder_layers)
        self.mean = nn.Linear(config.d_model, config.latent_dim)
        self.logvar = nn.Linear(config.d_model, config.latent_dim)
        # The features of coordinates in nm are about 0.05 in size: those of the types must not be much larger, and the
        # noise of the latents must be smaller than both.
        nn.init.normal_(self.types.weight, std=0.2)
        nn.init.constant_(self.logvar.bias, -6.0)

    def forward(self, features: Features) -> Posterior:
        """Encode a batch.

        Source: Algorithm 1. Differs: ``encode_lattice`` adds the lattice parameters to every atom, ``index_embedding``
        its place in the canonical order.
        """
        h = self.types(features.numbers) + self.positions(features.positions) + self.fractional(features.fractional)
        if self.lattice is not None:
            h = h + self.lattice(features.lattice)[:, None, :]
        if self.index is not None:
            h = h + self.index(h)
        h = self.transformer(h, features.mask)
        with exact(h):
            h = full_precision(h)
            # log σ² is bounded so that one bad batch cannot overflow the KL term.
            return Posterior(self.mean(h), self.logvar(h).clamp(-20.0, 5.0))


class Decoder(nn.Module):
    """Algorithm 2: from latents to types, coordinates and lattice parameters."""

    def __init__(self, config: VaeModelConfig, max_atomic_number: int) -> None:
        super().__init__()
        self.embed = nn.Linear(config.latent_dim, config.d_model)
        self.index = IndexEmbedding(config.d_model) if config.index_embedding else None
        self.transformer = TransformerEncoder(config.d_model, config.heads, config.decoder_layers)
        self.types = nn.Linear(config.d_model, max_atomic_number)
        self.positions = nn.Linear(config.d_model, 3)
        self.fractional = nn.Linear(config.d_model, 3)
        self.lattice = nn.Linear(config.d_model, 6)
        with torch.no_grad():  # start at an ordinary cell: 3 Å n^(1/3) and right angles
            self.lattice.bias.copy_(torch.tensor([3.0] * 3 + [math.pi / 2] * 3))

    def forward(self, latents: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"]) -> Decoded:
        """Decode a batch; the lattice head sees the mean over the atoms of a system. Source: Algorithm 2."""
        h = self.embed(latents)
        if self.index is not None:
            h = h + self.index(h)
        h = self.transformer(h, mask)
        with exact(h):
            h = full_precision(h)
            return Decoded(self.types(h), self.positions(h), self.fractional(h), self.lattice(masked_mean(h, mask)))


class VAE(nn.Module):
    """Variational autoencoder over atoms. Source: Section 2.1; with ``encoder: equivariant``, Appendix D.

    Raises:
        ConfigError: the equivariant encoder is configured and e3nn is not installed.
    """

    def __init__(self, config: VaeModelConfig, max_atomic_number: int) -> None:
        super().__init__()
        self.config = config
        self.max_atomic_number = max_atomic_number
        equivariant = config.encoder == "equivariant"
        self.encoder = (EquivariantEncoder if equivariant else Encoder)(config, max_atomic_number)
        self.decoder = (EquivariantHeads if equivariant else Decoder)(config, max_atomic_number)
