"""Stage 2: train the denoiser on latents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from adit.config import DitModelConfig, DitStage, DitTrainConfig, parse_as
from adit.errors import DataError
from adit.flow.loss import flow_loss
from adit.flow.path import center, interpolate, logit_normal_times
from adit.model.build import load_weights, pick_device
from adit.model.conditions import Conditions, null_conditions
from adit.model.dit import DiT
from adit.model.padding import pad
from adit.progress import log
from adit.seeds import derive_seed
from adit.store import weights_sha256
from adit.systems import Kind
from adit.train.bundle import ROUNDS, Start, adopt
from adit.train.corpus import Corpus, check_vocabulary, read_corpus
from adit.train.decay import Decay
from adit.train.draws import Draws
from adit.train.latents import Cached, LatentSource, OnTheFly, channel_statistics, load_frozen_vae
from adit.train.loop import fit
from adit.train.outputs import settings_key, write_model
from adit.train.plan import Plan
from adit.transfer import to_device


class DitTask:
    """Flow matching with label dropout and self-conditioning as a task of the training loop. Source: Section 2.2.

    Args:
        module: the denoiser.
        source: source of the clean latents.
        corpus: the systems.
        config: settings of the training.
        device: device of the training.
    """

    name = "dit"

    def __init__(
        self, module: DiT, source: LatentSource, corpus: Corpus, config: DitTrainConfig, device: torch.device
    ) -> None:
        self.module: nn.Module = module
        self.dit, self.source, self.corpus, self.config, self.device = module, source, corpus, config, device
        self.per_system = 3 + len(module.config.labels)
        self.per_atom = 2 * module.latent_dim

    def passes(self, draws: Draws) -> float:
        """Return the cost of a step as a multiple of a forward and a backward pass; a further forward pass is 1/3."""
        return 4.0 / 3.0 if draws.step < self.config.self_conditioning else 1.0

    def losses(self, rows: np.ndarray, draws: Draws, split: str) -> dict[str, Tensor]:
        """Return the flow-matching loss of each system (B,), and its unweighted squared error per latent channel."""
        dim = self.dit.latent_dim
        latents, mask = self.source.latents(rows, draws, split)
        kinds = to_device(torch.from_numpy(self.corpus.kinds(rows, split)), self.device)
        clean = self.dit.normalize(latents, kinds) * mask[..., None]
        noise = pad(draws.atom_normal[:, dim:], mask)
        noise = center(noise, mask) if self.config.center_noise else noise
        t = self._times(draws.uniform[:, 0], split)
        conditions = self._conditions(rows, draws, split)
        noisy = interpolate(noise, clean, t)
        previous = torch.zeros_like(noisy)
        # Self-conditioning is drawn for a whole step, so that half of the steps need no second evaluation.
        if split == "train" and draws.step < self.config.self_conditioning:
            with torch.no_grad():
                previous = self.dit(noisy, previous, t, conditions, mask) * mask[..., None]
        predicted = self.dit(noisy, previous, t, conditions, mask)
        error = flow_loss(predicted, clean, torch.zeros_like(t), mask, self.config.t_clip) / clean.shape[-1]
        return {"loss": flow_loss(predicted, clean, t, mask, self.config.t_clip), "squared_error": error}

    def _times(self, uniform: Tensor, split: str) -> Tensor:
        """Return the times; they are uniform in validation, so that its losses are comparable."""
        logit_normal = split == "train" and self.config.t_distribution == "logit-normal"
        shares = logit_normal_times(uniform, self.config.t_logit_mean, self.config.t_logit_std)
        return self.config.t_min + (1.0 - self.config.t_min) * (shares if logit_normal else uniform)

    def _conditions(self, rows: np.ndarray, draws: Draws, split: str) -> Conditions:
        """Return the conditions; in training, single labels and sometimes all conditions are dropped at random."""
        labels = self.dit.config.labels
        conditions = self.corpus.conditions(labels, rows, split).to(self.device)
        if split == "train":
            nulls = null_conditions(labels, len(rows), self.device)
            kinds = conditions.kind
            for column, label in enumerate(labels):
                hidden = torch.tensor([label.dropout_of(kind) for kind in Kind], device=self.device)[kinds]
                conditions = conditions.drop(draws.uniform[:, 3 + column] < hidden, nulls, [label.name])
            conditions = conditions.drop(draws.uniform[:, 1] < self.config.label_dropout, nulls)
        return conditions


def train_dit(
    stage: DitStage,
    vae_dir: Path,
    data: Sequence[Path],
    latents: Sequence[Path],
    out: Path,
    state_dir: Path,
    labels: Sequence[Path] = (),
    decay: Decay | None = None,
) -> None:
    """Train the denoiser and write ``model.safetensors`` (averaged weights), ``config.json``, ``metrics.csv``.

    Args:
        stage: slice of the configuration.
        vae_dir: the trained autoencoder.
        data: prepared datasets.
        latents: cache files ``<dataset>-<view>.arrow``; empty for encoding on the fly.
        out: output folder.
        state_dir: folder of the resume state.
        labels: tables of computed labels, ``<dataset>.labels.parquet``.
        decay: makes a decayed copy of this training instead, whose states are in ``state_dir``.

    Raises:
        DataError: an input is missing or broken, was made with another autoencoder, or contains an element that the
            autoencoder does not know.
        ConfigError: the settings contradict the weights to start from.
        AditError: the loss is not finite.
        StoppedError: a signal ended the training; its state is saved.
    """
    vae_hash = weights_sha256(vae_dir)
    if stage.source == "pretrained":
        adopt(Path(stage.weights), "dit", out, {"vae_sha256": vae_hash})
        return
    corpus = read_corpus(data, stage.data, labels)
    start = Start.of(stage, "dit")
    if start is not None:
        stage = stage.model_copy(update={"model": _model_of(start, stage.model)})
        start.same_settings(stage.train, "train.dit", ("augment", "center_noise"))
    device = pick_device()
    vae = load_frozen_vae(vae_dir).to(device)
    if stage.latents.views:
        files = _cache_files(stage, corpus, latents)
        source: LatentSource = Cached(files, corpus, vae.config.latent_dim, device, vae_hash)
    else:
        check_vocabulary(corpus.names, corpus.arrays.values(), vae.max_atomic_number, str(vae_dir))
        source = OnTheFly(vae, corpus, stage.train.translation_std if stage.train.augment else None)
    torch.manual_seed(derive_seed("init", stage.seed, "dit"))
    module = DiT(stage.model, vae.config.latent_dim).to(device)
    if start is not None:
        load_weights(module, start.tensors, start.where)
    elif stage.model.normalize_latents:
        _normalize(module, stage, source, corpus)
    plan = Plan(
        DitTask(module, source, corpus, stage.train, device),
        corpus,
        stage.train,
        seed=stage.seed,
        key=settings_key(stage, corpus.key, vae_hash, "" if start is None else start.sha256),
        state_dir=state_dir,
        device=device,
        ema_decay=stage.train.ema_decay,
    )
    result = fit(plan if decay is None else decay.plan(plan))
    sizes = corpus.size_histograms()
    histograms = {} if start is None else start.config.get("formula_histograms", {})
    described = {
        "latent_dim": vae.config.latent_dim,
        "center_noise": stage.train.center_noise,
        "size_histograms": sizes if start is None else start.config["size_histograms"] | sizes,
        "formula_histograms": histograms | corpus.formula_histograms(),
        "vae_sha256": vae_hash,
        **({} if decay is None else {"decay_steps": decay.steps}),
        **Start.described(start),
        **_rounds(stage, start),
    }
    write_model(out, "dit", stage, result.averaged or module.state_dict(), described, result, corpus.provenance())


def _rounds(stage: DitStage, start: Start | None) -> dict[str, Any]:
    """Return the record of the rounds that led to the weights: of this one, or of the weights to start from."""
    if stage.round is not None:
        return {ROUNDS: stage.round.model_dump(mode="json")}
    return {} if start is None or ROUNDS not in start.config else {ROUNDS: start.config[ROUNDS]}


def _model_of(start: Start, requested: DitModelConfig) -> DitModelConfig:
    """Return the model configuration of the weights, with the label dropout of the run."""
    model = parse_as(DitModelConfig, start.config["model"], start.where)
    wanted = {label.name: label for label in requested.labels}
    if alien := sorted(set(wanted) - {label.name for label in model.labels}):
        log.warning("%s: does not have the label %s, which is not trained", start.where, ", ".join(alien))
    labels = tuple(wanted[label.name].over(label) if label.name in wanted else label for label in model.labels)
    return model.model_copy(update={"labels": labels})


def _normalize(module: DiT, stage: DitStage, source: LatentSource, corpus: Corpus) -> None:
    """Set mean and standard deviation of each latent channel from some thousand training systems, of all or each kind.

    By kind, a kind that is not in the data gets the values of all systems.
    """
    mixture = corpus.mixture(stage.train.batch_size, stage.seed)
    steps = range(max(1, 4096 // stage.train.batch_size))
    rows = np.concatenate([mixture.batch(step) for step in steps])
    mean, std = channel_statistics(source, corpus, rows)
    if stage.model.normalize_latents == "by-kind":
        mean, std = mean.repeat(len(Kind), 1), std.repeat(len(Kind), 1)
        kinds = corpus.arrays["train"].kind
        for kind in np.unique(kinds).tolist():
            chosen = rows[kinds[rows] == kind]
            if not len(chosen):  # a small share of the mixture
                chosen = np.flatnonzero(kinds == kind)[:256]
            mean[kind], std[kind] = channel_statistics(source, corpus, chosen)
    module.latent_mean.copy_(mean)
    module.latent_std.copy_(std)


def _cache_files(stage: DitStage, corpus: Corpus, latents: Sequence[Path]) -> list[list[Path]]:
    by_stem = {path.stem: path for path in latents}
    wanted = [[f"{d.name}-{view}" for view in range(stage.latents.views)] for d in corpus.datasets]
    missing = [name for names in wanted for name in names if name not in by_stem]
    if missing:
        raise DataError(f"latents of {missing[0]} are missing; run `adit encode` for it")
    return [[by_stem[name] for name in names] for names in wanted]
