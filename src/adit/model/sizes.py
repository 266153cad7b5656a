"""Numbers of parameters of the networks, counted from the modules."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from adit.config import Config, DitModelConfig, VaeModelConfig
from adit.config.sizes import PAPER_MODELS
from adit.model.build import parameter_count
from adit.model.dit import DiT
from adit.model.vae import VAE


@dataclass(frozen=True)
class Size:
    """A network and its number of parameters.

    Attributes:
        name: name of the network.
        config: its section of the configuration.
        parameters: number of parameters, counted from the module.
        published: number in the paper; ``None`` for a network that is not in the paper.
    """

    name: str
    config: VaeModelConfig | DitModelConfig
    parameters: int
    published: float | None = None

    def line(self) -> str:
        """Return the network as a line of text; the numbers of parameters are in millions."""
        comparison = "" if self.published is None else f"   paper {self.published / 1e6:6.1f} M"
        share = "" if self.published is None else f" ({100 * (self.parameters / self.published - 1):+.1f} %)"
        return f"{self.name:8s}{shape(self.config):48s}{self.parameters / 1e6:8.2f} M{comparison}{share}"


def shape(config: VaeModelConfig | DitModelConfig) -> str:
    """Return width, heads and layers as text."""
    if isinstance(config, VaeModelConfig):
        layers = f"{config.encoder_layers} + {config.decoder_layers} layers, {config.latent_dim} channels"
    else:
        layers = f"{config.layers} layers"
    return f"width {config.d_model}, {config.heads} heads, {layers}"


def count(config: VaeModelConfig | DitModelConfig, max_atomic_number: int, latent_dim: int) -> int:
    """Return the number of parameters of a network; no memory is allocated for its weights.

    Args:
        config: section of an autoencoder or a denoiser.
        max_atomic_number: highest atomic number that the autoencoder knows; not used for a denoiser.
        latent_dim: channels of the latents that the denoiser works on; not used for an autoencoder.

    Raises:
        ConfigError: the autoencoder needs e3nn, and it is not installed.
    """
    with torch.device("meta"):
        if isinstance(config, VaeModelConfig):
            return parameter_count(VAE(config, max_atomic_number))
        return parameter_count(DiT(config, latent_dim))


def paper_sizes() -> list[Size]:
    """Return the paper's networks, with their published numbers of parameters. Source: Section 3 and Appendix D."""
    channels, elements = VaeModelConfig().latent_dim, Config().model.max_atomic_number
    return [Size(m.name, m.config, count(m.config, elements, channels), 1e6 * m.parameters) for m in PAPER_MODELS]


def configured_sizes(config: Config) -> list[Size]:
    """Return the autoencoder and the denoiser that a configuration builds."""
    model = config.model
    sections: tuple[tuple[str, VaeModelConfig | DitModelConfig], ...] = (("VAE", model.vae), ("DiT", model.dit))
    return [
        Size(name, section, count(section, model.max_atomic_number, model.vae.latent_dim)) for name, section in sections
    ]
