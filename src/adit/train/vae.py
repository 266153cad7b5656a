"""Stage 1: train the autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from adit.config import VaeStage, VaeTrainConfig
from adit.data.augment import augment, denoising_corruption
from adit.data.batching import Item, Mixture
from adit.elements import outside_vocabulary
from adit.errors import DataError
from adit.model.build import pick_device
from adit.model.features import Features, featurize
from adit.model.padding import masked_mean
from adit.model.vae import VAE, Decoded, Posterior
from adit.seeds import derive_seed
from adit.systems import SystemBatch
from adit.train.corpus import Corpus, read_corpus
from adit.train.loop import fit
from adit.train.outputs import settings_key, write_model

PERIODIC_WEIGHTS = {"types": 1.0, "positions": 0.0, "fractional": 10.0, "lengths": 1.0, "angles": 10.0}
MOLECULE_WEIGHTS = {"types": 1.0, "positions": 10.0, "fractional": 0.0, "lengths": 0.0, "angles": 0.0}
"""Loss weights λ. Source: Eq. 8."""


def reconstruction_losses(decoded: Decoded, target: Features) -> dict[str, Float[Tensor, " b"]]:
    """Return each part of the reconstruction loss for each system, unweighted. Source: Eq. 3 to 7."""
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
    """Subtract the centroid of the real atoms. Source: Eq. 4."""
    return positions - masked_mean(positions, mask)[:, None, :]


def vae_losses(
    decoded: Decoded, posterior: Posterior, target: Features, kl_weight: float
) -> dict[str, Float[Tensor, " b"]]:
    """Return the total loss of each system as ``loss``, and the weighted parts it is the sum of.

    Source: Eq. 8 and the KL term after it.
    """
    parts = {"kl": kl_weight * posterior.kl(target.mask)}
    for name, value in reconstruction_losses(decoded, target).items():
        parts[name] = value * torch.where(target.periodic, PERIODIC_WEIGHTS[name], MOLECULE_WEIGHTS[name])
    return {"loss": torch.stack(list(parts.values())).sum(dim=0), **parts}


class VaeTask:
    """The autoencoder with augmentation, denoising and Eq. 8 as a task of the training loop."""

    name = "vae"

    def __init__(self, module: VAE, corpus: Corpus, config: VaeTrainConfig, device: torch.device) -> None:
        self.module: nn.Module = module
        self.vae, self.corpus, self.config, self.device = module, corpus, config, device

    def sizes(self, items: Sequence[Item], split: str) -> list[int]:
        """Return the number of atoms of each item."""
        return [len(s) for s in self.corpus.systems(items, split)]

    def losses(self, items: Sequence[Item], generator: torch.Generator, split: str) -> dict[str, Tensor]:
        """Return the losses of each system; only training corrupts the input."""
        batch = SystemBatch.from_systems(self.corpus.systems(items, split)).to(self.device)
        clean = augment(batch, generator, self.config.translation_std)
        noisy = clean
        if split == "train":
            noisy = denoising_corruption(clean, generator, self.config.denoise_fraction, self.config.denoise_std)
        posterior = self.vae.encoder(featurize(noisy))
        shape = posterior.mean.shape
        noise = torch.randn(shape, generator=generator).to(self.device)
        target = featurize(clean)
        extra = self.config.latent_noise if split == "train" else 0.0
        decoded = self.vae.decoder(posterior.sample(noise, extra), target.mask)
        return vae_losses(decoded, posterior, target, self.config.kl_weight)


def check_vocabulary(corpus: Corpus, max_atomic_number: int) -> None:
    """Refuse data with elements that the model does not know.

    Raises:
        DataError: names the elements and the key to change.
    """
    for data in corpus.datasets:
        unknown = outside_vocabulary((int(z) for s in data.train for z in s.numbers), max_atomic_number)
        if unknown:
            raise DataError(
                f"{data.name}: elements outside the model's vocabulary: {', '.join(unknown)}; "
                f"raise model.max_atomic_number (now {max_atomic_number})"
            )


def train_vae(stage: VaeStage, data: Sequence[Path], out: Path, state_dir: Path) -> None:
    """Train the autoencoder and write ``model.safetensors``, ``config.json`` and ``metrics.csv`` into ``out``."""
    corpus = read_corpus(data, stage.data)
    check_vocabulary(corpus, stage.max_atomic_number)
    device = pick_device()
    torch.manual_seed(derive_seed("init", stage.seed, "vae"))
    module = VAE(stage.model, stage.max_atomic_number).to(device)
    mixture = Mixture(
        [len(d.train) for d in corpus.datasets], [d.ratio for d in corpus.datasets], stage.train.batch_size, stage.seed
    )
    result = fit(
        VaeTask(module, corpus, stage.train, device),
        mixture,
        corpus.validation(),
        stage.train,
        seed=stage.seed,
        key=settings_key(stage, corpus.key),
        state_dir=state_dir,
        device=device,
    )
    described = {"max_atomic_number": stage.max_atomic_number}
    write_model(out, "vae", stage, module.state_dict(), described, result, corpus.provenance())
