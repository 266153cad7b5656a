"""Sections of the networks."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, Discriminator, Field, Tag, model_validator

from adit.config.base import Count, Fraction, Kind, Positive, PositiveFloat, Strict

M = TypeVar("M", bound=BaseModel)
KINDS: tuple[Kind, ...] = get_args(Kind)
HIDDEN = 0.5
"""Default share of training systems with a dropped label."""


class VaeModelConfig(Strict):
    """Autoencoder. Source: Section 2.1, Algorithms 1 and 2, Section 3."""

    d_model: Positive = Field(512, description="hidden dimension")
    heads: Positive = Field(8, description="attention heads")
    encoder_layers: Positive = Field(8, description="layers of the encoder")
    decoder_layers: Positive = Field(8, description="layers of the decoder")
    latent_dim: Positive = Field(8, description="channels of a latent")
    encode_lattice: bool = Field(
        False, description="the encoder also receives the lattice parameters (not in the paper)"
    )
    index_embedding: bool = Field(
        False,
        description="encoder and decoder also receive the index of each atom in the canonical order (not in the paper)",
    )
    encoder: Literal["transformer", "equivariant"] = Field(
        "transformer", description="equivariant: needs e3nn, and has equivariant output heads (Table 5)"
    )
    cutoff: PositiveFloat = Field(6.0, description="equivariant: cutoff distance between interacting atoms, Å")
    max_degree: Annotated[int, Field(ge=1, le=6)] = Field(2, description="equivariant: degree of spherical harmonics")
    latent_vectors: Count = Field(
        1,
        description="equivariant: number of vectors per latent, three channels each; molecules need one, crystals none",
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.encoder == "equivariant" and self.d_model % (4 * self.heads):
            raise ValueError(f"encoder equivariant: d_model {self.d_model} is not a multiple of 4 x heads {self.heads}")
        if self.encoder == "equivariant" and 3 * self.latent_vectors >= self.latent_dim:
            raise ValueError(
                f"latent_vectors {self.latent_vectors} leave none of the {self.latent_dim} channels for the atom's type"
            )
        return _check_heads(self, self.d_model, self.heads)


def _form_of_dropout(value: Any) -> str:
    return "by kind" if isinstance(value, dict) else "none" if value is None else "share"


Dropout = Annotated[
    Annotated[Fraction, Tag("share")] | Annotated[dict[Kind, Fraction], Tag("by kind")] | Annotated[None, Tag("none")],
    Discriminator(_form_of_dropout),
]
"""One share for all kinds, or one per kind."""


class LabelConfig(Strict):
    """One label that the denoiser is conditioned on, in addition to the kind of system."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9_]+$",
        description="key in the info of a system, e.g. spacegroup; composition: computed from the atoms",
    )
    type: Literal["category", "number", "composition"] = Field(description="type of the embedding")
    classes: Positive | None = Field(None, description="category: values are 0 … classes - 1 (spacegroup: 231)")
    mean: float = Field(0.0, description="number: mean of the values, in their unit")
    std: PositiveFloat = Field(1.0, description="number: standard deviation of the values, in their unit")
    dropout: Dropout = Field(
        None,
        description="share of training systems with a dropped label, for all kinds or by kind (needed for "
        "sampling without this label); null, or a kind that is not listed: as in the weights that "
        "training continues from, else 0.5",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.type == "category") != (self.classes is not None):
            raise ValueError(f"label {self.name}: classes belong to a label of type category, and to no other")
        if (self.type == "composition") != (self.name == "composition"):
            raise ValueError("the label named composition is the one of type composition")
        return self

    def dropout_of(self, kind: str) -> float:
        """Return the share of a kind's training systems with a dropped label."""
        chosen = self.dropout
        if isinstance(chosen, dict):
            chosen = next((share for name, share in chosen.items() if name == kind), None)
        return HIDDEN if chosen is None else chosen

    def over(self, other: LabelConfig) -> LabelConfig:
        """Return ``other`` with the dropout of this label, if set; kinds without one keep the dropout of ``other``."""
        if self.dropout is None:
            return other
        if not isinstance(self.dropout, dict):
            return other.model_copy(update={"dropout": self.dropout})
        return other.model_copy(update={"dropout": {kind: other.dropout_of(kind) for kind in KINDS} | self.dropout})


class DitModelConfig(Strict):
    """Denoiser. Source: Section 2.2; DiT-B by default."""

    d_model: Positive = Field(768, description="hidden dimension")
    heads: Positive = Field(12, description="attention heads")
    layers: Positive = Field(12, description="blocks")
    normalize_latents: bool | Literal["by-kind"] = Field(
        False,
        description="normalise each latent channel with its mean and standard deviation over all training systems"
        " (true) or over the training systems of each kind (by-kind); not in the paper",
    )
    index_embedding: bool = Field(
        False, description="the denoiser also receives the index of each atom in the canonical order (not in the paper)"
    )
    qk_norm: bool = Field(False, description="normalise queries and keys of the attention (not in the paper)")
    prediction: Literal["clean", "velocity"] = Field(
        "clean", description="output of the network: Z′ (paper), or the velocity, Z′ = Z + (1 - t)·network"
    )
    labels: tuple[LabelConfig, ...] = Field((), description="labels in addition to the kind of system")

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [label.name for label in self.labels]
        if len(set(names)) < len(names):
            raise ValueError("a label is named twice")
        return _check_heads(self, self.d_model, self.heads)


def _check_heads(section: M, d_model: int, heads: int) -> M:
    if d_model % heads:
        raise ValueError(f"d_model {d_model} is not a multiple of heads {heads}")
    return section


ModelSource = Literal["train", "pretrained", "finetune", "finetune-dit"]


class ModelConfig(Strict):
    """Networks."""

    source: ModelSource = Field(
        "train",
        description="train: from the start; pretrained: use the weights unchanged; finetune: continue training "
        "both networks; finetune-dit: continue training the denoiser only. With weights, their sizes "
        "and labels are used (but not their dropout)",
    )
    weights: str = Field("weights", description="folder of a bundle of weights, for pretrained and finetune")
    max_atomic_number: Annotated[int, Field(ge=1, le=118)] = Field(
        100, description="largest atomic number of the vocabulary"
    )
    vae: VaeModelConfig = VaeModelConfig()
    dit: DitModelConfig = DitModelConfig()
