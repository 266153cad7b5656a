"""Sections of training and of the latent cache."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adit.config.base import BelowOne, Count, Fraction, Positive, PositiveFloat, Strict

NotNegative = Annotated[float, Field(ge=0)]
"""Number from 0 on."""


class OptimConfig(Strict):
    """Common settings of both trainings. Source: Section 3."""

    max_epochs: Positive = Field(5000, description="stop after this many passes over the training mixture")
    max_steps: Positive | None = Field(None, description="stop after this many optimiser steps; null: no limit")
    max_minutes: PositiveFloat | None = Field(
        None,
        description="stop after this training time, min; null: no limit. With max_steps, it is only an upper limit",
    )
    batch_size: Positive = Field(256, description="systems per step")
    optimizer: Literal["adamw", "muon"] = Field(
        "adamw",
        description="muon: for the matrices of attention and feed-forward, with AdamW for the other "
        "parameters (paper: adamw)",
    )
    lr: PositiveFloat = Field(1e-4, description="learning rate")
    warmup_steps: Count = Field(0, description="steps of linear warm-up")
    lr_decay: bool = Field(
        False, description="cosine decay to zero at max_steps, or at max_minutes without max_steps (paper: constant)"
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="decoupled weight decay")
    grad_clip: PositiveFloat | None = Field(None, description="maximum gradient norm; null: no clipping")
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", description="auto: bf16 if the device computes it fast")
    checkpoint_minutes: PositiveFloat = Field(15.0, description="time between checkpoints, min")
    val_every: Positive = Field(1000, description="steps between validations")
    log_every: Positive = Field(50, description="steps between rows of metrics.csv")
    batch_atoms: Positive | None = Field(
        None, description="atoms per forward pass, with padding; larger batches are accumulated"
    )
    ema_decay: BelowOne | None = Field(None, description="decay of the averaged weights; null: none")
    compile: Literal["auto"] | bool = Field(
        "auto", description="compile the blocks of the network; auto: on CUDA, if there is a compiler"
    )
    loggers: tuple[Literal["tensorboard", "wandb"], ...] = Field(
        (), description="live loggers of the training curve, in addition to metrics.csv"
    )


class VaeTrainConfig(OptimConfig):
    """Training of the autoencoder. Source: Eq. 3-8."""

    kl_weight: Annotated[float, Field(ge=0)] = Field(1e-5, description="weight of the KL divergence")
    denoise_fraction: Fraction = Field(0.1, description="share of atoms masked and perturbed")
    denoise_std: Annotated[float, Field(ge=0)] = Field(0.1, description="standard deviation of the perturbation, Å")
    augment: bool = Field(
        True, description="rotate and translate every system randomly (paper); false: train on the normal form only"
    )
    translation_std: Annotated[float, Field(ge=0)] = Field(1.0, description="random shift of molecules, Å")
    latent_noise: NotNegative | tuple[NotNegative, NotNegative] = Field(
        0.0,
        description="standard deviation of additional noise on the latents, so that the decoder tolerates errors;"
        " [lowest, highest]: drawn per system (paper: 0)",
    )
    freeze_encoder: bool = Field(
        False, description="train only the decoder, so that latents do not change; for model.source finetune"
    )

    @model_validator(mode="after")
    def _noise_rises(self) -> Self:
        if isinstance(self.latent_noise, tuple) and self.latent_noise[0] > self.latent_noise[1]:
            raise ValueError(f"latent_noise: {self.latent_noise[0]} is above {self.latent_noise[1]}")
        return self


class DitTrainConfig(OptimConfig):
    """Training of the denoiser. Source: Section 2.2, Eq. 9-12."""

    ema_decay: BelowOne | None = Field(0.9999, description="decay of the averaged weights; null: none")
    label_dropout: Fraction = Field(0.1, description="share of class labels dropped, for guidance")
    self_conditioning: Fraction = Field(0.5, description="share of steps with self-conditioning")
    t_min: BelowOne = Field(0.01, description="times are drawn from U(t_min, 1)")
    t_distribution: Literal["uniform", "logit-normal"] = Field(
        "uniform", description="logit-normal: more times from the middle of the path (paper: uniform)"
    )
    t_logit_mean: float = Field(0.0, description="mean of log(t/(1-t)), for logit-normal")
    t_logit_std: PositiveFloat = Field(1.0, description="standard deviation of log(t/(1-t)), for logit-normal")
    t_clip: Annotated[float, Field(gt=0, lt=1)] = Field(0.9, description="largest time in the weight 1/(1-t)²")
    coupling: Literal["independent"] = Field(
        "independent", description="noise and latents are drawn independently; this is the only value"
    )
    center_noise: bool = Field(True, description="subtract the per-channel mean of the noise of a system")
    augment: bool = Field(
        True, description="rotate and translate every system randomly (paper); false: train on the normal form only"
    )
    translation_std: Annotated[float, Field(ge=0)] = Field(1.0, description="random shift of molecules, Å")


class TrainConfig(Strict):
    """Training."""

    vae: VaeTrainConfig = VaeTrainConfig()
    dit: DitTrainConfig = DitTrainConfig()


class LatentsConfig(Strict):
    """Latent cache."""

    views: Count = Field(0, description="augmented encodings of each system on disk; 0: encode on the fly (paper)")
