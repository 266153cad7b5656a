"""Stage 1: train the autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from adit.config import VaeModelConfig, VaeStage, VaeTrainConfig, parse_as
from adit.data.augment import augment, denoising_corruption
from adit.errors import ConfigError, DataError
from adit.model.build import load_weights, pick_device
from adit.model.features import Features, featurize
from adit.model.padding import masked_mean, pad
from adit.model.vae import VAE, Decoded, Posterior
from adit.seeds import derive_seed
from adit.train.bundle import Start, adopt
from adit.train.corpus import Corpus, check_vocabulary, read_corpus
from adit.train.draws import Draws
from adit.train.loop import fit
from adit.train.outputs import settings_key, write_model
from adit.train.plan import Plan

PERIODIC_WEIGHTS = {"types": 1.0, "positions": 0.0, "fractional": 10.0, "lengths": 1.0, "angles": 10.0}
MOLECULE_WEIGHTS = {"types": 1.0, "positions": 10.0, "fractional": 0.0, "lengths": 0.0, "angles": 0.0}
"""Loss weights λ of periodic systems and of molecules. Source: Eq. 8."""


def reconstruction_losses(decoded: Decoded, target: Features) -> dict[str, Float[Tensor, " b"]]:
    """Return each part of the reconstruction loss for each system (B,), unweighted.

    ``types`` is the cross-entropy in nats per atom. The others are mean squared errors: ``positions`` (both centred) in
    nm², ``fractional`` without unit, ``lengths`` in Å² over n^(2/3), ``angles`` in rad². Source: Eq. 3 to 7.
    """
    mask = target.mask
    classes = (target.numbers - 1).clamp(min=0)
    entropy = functional.cross_entropy(decoded.logits.flatten(0, 1), classes.flatten(), reduction="none")
    per_atom = {
        "types": entropy.view_as(mask),
        "positions": (centered(decoded.positions, mask) - centered(target.positions, mask)).square().mean(-1),
        "fractional": (decoded.fractional - target.fractional).square().mean(-1),
    }
    parts = {name: masked_mean(value[..., None], mask)[:, 0] for name, value in per_atom.items()}
    lattice = (decoded.lattice - target.lattice).square()
    return {**parts, "lengths": lattice[:, :3].mean(-1), "angles": lattice[:, 3:].mean(-1)}


def centered(positions: Float[Tensor, "b m 3"], mask: Bool[Tensor, "b m"]) -> Float[Tensor, "b m 3"]:
    """Subtract the centroid of the real atoms from all positions, also from the padding. Source: Eq. 4."""
    return positions - masked_mean(positions, mask)[:, None, :]


def vae_losses(
    decoded: Decoded, posterior: Posterior, target: Features, kl_weight: float
) -> dict[str, Float[Tensor, " b"]]:
    """Return the total loss of each system (B,) as ``loss``, and its weighted parts.

    Args:
        decoded: output of the decoder.
        posterior: output of the encoder.
        target: features of the uncorrupted systems.
        kl_weight: weight of the KL divergence (nats, per atom).

    Source: Eq. 8 and the KL term after it.
    """
    parts = {"kl": kl_weight * posterior.kl(target.mask)}
    for name, value in reconstruction_losses(decoded, target).items():
        parts[name] = value * torch.where(target.periodic, PERIODIC_WEIGHTS[name], MOLECULE_WEIGHTS[name])
    return {"loss": torch.stack(list(parts.values())).sum(dim=0), **parts}


class VaeTask:
    """The autoencoder with augmentation, denoising and Eq. 8 as a task of the training loop.

    Args:
        module: the autoencoder; its encoder is frozen here if ``config.freeze_encoder``.
        corpus: the systems.
        config: settings of the training.
        device: device of the training.
    """

    name = "vae"

    def __init__(self, module: VAE, corpus: Corpus, config: VaeTrainConfig, device: torch.device) -> None:
        self.module: nn.Module = module
        self.vae, self.corpus, self.config, self.device = module, corpus, config, device
        self.per_atom = 3 + module.config.latent_dim
        self.per_system = 1 if isinstance(config.latent_noise, tuple) else 0
        if config.freeze_encoder:
            module.encoder.requires_grad_(requires_grad=False)

    def passes(self, draws: Draws) -> float:
        """Return the cost of a step, in units of one forward and one backward pass of the network."""
        return 1.0

    def losses(self, rows: np.ndarray, draws: Draws, split: str) -> dict[str, Tensor]:
        """Return the losses of each system (B,); the input is corrupted in training only."""
        clean = self.corpus.batch(rows, split).to(self.device)
        if self.config.augment:
            clean = augment(clean, draws.views, self.config.translation_std)
        noisy, jitter, noise = clean, draws.atom_normal[:, :3], draws.atom_normal[:, 3:]
        if split == "train":
            fraction, std = self.config.denoise_fraction, self.config.denoise_std
            noisy = denoising_corruption(clean, draws.atom_uniform, jitter, fraction, std)
        posterior = self.vae.encoder(featurize(noisy, draws.largest))
        target = featurize(clean, draws.largest)
        extra = self._extra(draws) if split == "train" else 0.0
        decoded = self.vae.decoder(posterior.sample(pad(noise, target.mask), extra), target.mask)
        return vae_losses(decoded, posterior, target, self.config.kl_weight)

    def _extra(self, draws: Draws) -> float | Tensor:
        """Return the standard deviation of the noise on latents: one for all, or (B, 1, 1)."""
        noise = self.config.latent_noise
        if not isinstance(noise, tuple):
            return noise
        low, high = noise
        return (low + (high - low) * draws.uniform[:, 0])[:, None, None]


def check_vectors(corpus: Corpus, model: VaeModelConfig) -> None:
    """Check that latents of molecules have a vector for their positions, which the equivariant autoencoder needs.

    Raises:
        DataError: they have none; the message names the dataset and the key to change.
    """
    if model.encoder == "equivariant" and not model.latent_vectors:
        without_cell = [d.name for d in corpus.datasets if not d.kind.periodic]
        if without_cell:
            raise DataError(
                f"{without_cell[0]}: latents without a vector hold no positions of molecules; "
                "set model.vae.latent_vectors to 1"
            )


def train_vae(stage: VaeStage, data: Sequence[Path], out: Path, state_dir: Path) -> None:
    """Train the autoencoder and write ``model.safetensors``, ``config.json`` and ``metrics.csv`` into ``out``.

    With weights of a bundle (``stage.source``), training continues from them, or they are used unchanged.

    Args:
        stage: slice of the configuration.
        data: prepared datasets.
        out: output folder.
        state_dir: folder of the resume states.

    Raises:
        ConfigError: the settings contradict each other or the weights.
        DataError: an input is missing or broken, or the model cannot represent the data.
        AditError: the loss is not finite.
        StoppedError: a signal ended the training; its state is saved.
    """
    if stage.source in ("pretrained", "finetune-dit"):
        adopt(Path(stage.weights), "vae", out, {})
        return
    if stage.train.freeze_encoder and stage.source == "train":
        raise ConfigError("train.vae.freeze_encoder: this needs trained weights; set model.source: finetune")
    corpus = read_corpus(data, stage.data)
    start = Start.of(stage, "vae")
    if start is not None:
        stage = stage.model_copy(
            update={
                "model": parse_as(VaeModelConfig, start.config["model"], start.where),
                "max_atomic_number": start.config["max_atomic_number"],
            }
        )
        start.same_settings(stage.train, "train.vae", ("augment",))
    weights = "" if start is None else start.where
    check_vocabulary(corpus.names, corpus.arrays.values(), stage.max_atomic_number, weights)
    check_vectors(corpus, stage.model)
    device = pick_device()
    torch.manual_seed(derive_seed("init", stage.seed, "vae"))
    module = VAE(stage.model, stage.max_atomic_number).to(device)
    if start is not None:
        load_weights(module, start.tensors, start.where)
    plan = Plan(
        VaeTask(module, corpus, stage.train, device),
        corpus,
        stage.train,
        seed=stage.seed,
        key=settings_key(stage, corpus.key, "" if start is None else start.sha256),
        state_dir=state_dir,
        device=device,
        ema_decay=stage.train.ema_decay,
    )
    result = fit(plan)
    described = {"max_atomic_number": stage.max_atomic_number, **Start.described(start)}
    write_model(out, "vae", stage, result.averaged or module.state_dict(), described, result, corpus.provenance())
