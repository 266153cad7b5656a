"""Stage 2: train the denoiser on latents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from adit.config import DitStage, DitTrainConfig
from adit.data.batching import Item, Mixture
from adit.errors import DataError
from adit.flow.loss import flow_loss
from adit.flow.path import center, interpolate
from adit.model.build import pick_device
from adit.model.conditions import Conditions, conditions_of, null_conditions
from adit.model.dit import DiT
from adit.seeds import derive_seed
from adit.store import sha256
from adit.train.corpus import Corpus, read_corpus
from adit.train.latents import Cached, LatentSource, OnTheFly, channel_statistics, load_vae
from adit.train.loop import fit
from adit.train.outputs import settings_key, write_model


class DitTask:
    """Flow matching with label dropout and self-conditioning as a task of the training loop. Source: Section 2.2."""

    name = "dit"

    def __init__(
        self, module: DiT, source: LatentSource, corpus: Corpus, config: DitTrainConfig, device: torch.device
    ) -> None:
        self.module: nn.Module = module
        self.dit, self.source, self.corpus, self.config, self.device = module, source, corpus, config, device

    def sizes(self, items: Sequence[Item], split: str) -> list[int]:
        """Return the number of atoms of each item."""
        return [len(s) for s in self.corpus.systems(items, split)]

    def losses(self, items: Sequence[Item], generator: torch.Generator, split: str) -> dict[str, Tensor]:
        """Return the flow-matching loss of each system, and the plain squared error per latent channel."""
        latents, mask = self.source.latents(items, generator, split)
        clean = self.dit.normalize(latents) * mask[..., None]
        noise = torch.randn(clean.shape, generator=generator).to(self.device)
        noise = center(noise, mask) if self.config.center_noise else noise * mask[..., None]
        count = len(items)
        t = (self.config.t_min + (1.0 - self.config.t_min) * torch.rand(count, generator=generator)).to(self.device)
        conditions = self._conditions(items, generator, split)
        noisy = interpolate(noise, clean, t)
        previous = torch.zeros_like(noisy)
        # Self-conditioning is decided per part of a batch: half of the steps pay for the second evaluation.
        if split == "train" and float(torch.rand((), generator=generator)) < self.config.self_conditioning:
            with torch.no_grad():
                previous = self.dit(noisy, previous, t, conditions, mask) * mask[..., None]
        predicted = self.dit(noisy, previous, t, conditions, mask)
        error = flow_loss(predicted, clean, torch.zeros_like(t), mask, self.config.t_clip) / clean.shape[-1]
        return {"loss": flow_loss(predicted, clean, t, mask, self.config.t_clip), "squared_error": error}

    def _conditions(self, items: Sequence[Item], generator: torch.Generator, split: str) -> Conditions:
        """Return what the systems are; in training each label, and at times all of them, is dropped at random."""
        labels = self.dit.config.labels
        conditions = conditions_of(labels, self.corpus.systems(items, split))
        if split == "train":
            nulls = null_conditions(labels, len(items))
            for label in labels:
                dropped = torch.rand(len(items), generator=generator) < label.dropout
                conditions = conditions.drop(dropped, nulls, [label.name])
            dropped = torch.rand(len(items), generator=generator) < self.config.label_dropout
            conditions = conditions.drop(dropped, nulls)
        return conditions.to(self.device)


def train_dit(
    stage: DitStage, vae_dir: Path, data: Sequence[Path], latents: Sequence[Path], out: Path, state_dir: Path
) -> None:
    """Train the denoiser and write ``model.safetensors`` (averaged weights), ``config.json``, ``metrics.csv``.

    Args:
        stage: slice of the configuration.
        vae_dir: the trained autoencoder.
        data: prepared datasets.
        latents: cache files ``<dataset>-<view>.arrow``; empty for encoding on the fly.
        out: output folder.
        state_dir: folder of the resume state.
    """
    corpus = read_corpus(data, stage.data)
    device = pick_device()
    vae = load_vae(vae_dir).to(device)
    source: LatentSource = OnTheFly(vae, corpus, stage.train.translation_std if stage.train.augment else None)
    if stage.latents.views:
        source = Cached(_cache_files(stage, corpus, latents), corpus, vae.config.latent_dim, device)
    torch.manual_seed(derive_seed("init", stage.seed, "dit"))
    module = DiT(stage.model, vae.config.latent_dim).to(device)
    mixture = Mixture(
        [len(d.train) for d in corpus.datasets], [d.ratio for d in corpus.datasets], stage.train.batch_size, stage.seed
    )
    if stage.model.normalize_latents:
        items = [item for step in range(max(1, 4096 // stage.train.batch_size)) for item in mixture.batch(step)]
        mean, std = channel_statistics(source, items)
        module.latent_mean.copy_(mean)
        module.latent_std.copy_(std)
    vae_hash = sha256(vae_dir / "model.safetensors")
    result = fit(
        DitTask(module, source, corpus, stage.train, device),
        mixture,
        corpus.validation(),
        stage.train,
        seed=stage.seed,
        key=settings_key(stage, corpus.key, vae_hash),
        state_dir=state_dir,
        device=device,
        ema_decay=stage.train.ema_decay,
    )
    described = {
        "latent_dim": vae.config.latent_dim,
        "center_noise": stage.train.center_noise,
        "size_histograms": corpus.size_histograms(),
        "vae_sha256": vae_hash,
    }
    write_model(out, "dit", stage, result.averaged or module.state_dict(), described, result, corpus.provenance())


def _cache_files(stage: DitStage, corpus: Corpus, latents: Sequence[Path]) -> list[list[Path]]:
    by_stem = {path.stem: path for path in latents}
    wanted = [[f"{d.name}-{view}" for view in range(stage.latents.views)] for d in corpus.datasets]
    missing = [name for names in wanted for name in names if name not in by_stem]
    if missing:
        raise DataError(f"latents of {missing[0]} are missing; run `adit encode` for it")
    return [[by_stem[name] for name in names] for names in wanted]
