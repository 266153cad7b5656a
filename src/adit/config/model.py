"""Sections of the networks."""

from __future__ import annotations

from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, Field, model_validator

from adit.config.base import Positive, Strict

M = TypeVar("M", bound=BaseModel)


class VaeModelConfig(Strict):
    """Autoencoder. Source: Section 2.1, Algorithms 1 and 2, Section 3."""

    d_model: Positive = Field(512, description="hidden dimension")
    heads: Positive = Field(8, description="attention heads")
    encoder_layers: Positive = Field(8, description="layers of the encoder")
    decoder_layers: Positive = Field(8, description="layers of the decoder")
    latent_dim: Positive = Field(8, description="channels of a latent")
    encode_lattice: bool = Field(False, description="give the encoder the lattice parameters too (not in the paper)")

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        return _check_heads(self, self.d_model, self.heads)


class DitModelConfig(Strict):
    """Denoiser. Source: Section 2.2; DiT-B by default."""

    d_model: Positive = Field(768, description="hidden dimension")
    heads: Positive = Field(12, description="attention heads")
    layers: Positive = Field(12, description="blocks")
    normalize_latents: bool = Field(
        False, description="divide each latent channel by its standard deviation (not in the paper)"
    )

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        return _check_heads(self, self.d_model, self.heads)


def _check_heads(section: M, d_model: int, heads: int) -> M:
    if d_model % heads:
        raise ValueError(f"d_model {d_model} is not a multiple of heads {heads}")
    return section


class ModelConfig(Strict):
    """Networks."""

    max_atomic_number: Annotated[int, Field(ge=1, le=118)] = Field(100, description="the vocabulary is Z = 1 … this")
    vae: VaeModelConfig = VaeModelConfig()
    dit: DitModelConfig = DitModelConfig()
