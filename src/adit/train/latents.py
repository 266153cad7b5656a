"""The latent cache: K augmented encodings of a dataset on disk, and encoding on the fly where K = 0."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from adit.config import EncodeStage
from adit.data.augment import augment
from adit.data.batching import Item, size_buckets
from adit.errors import DataError
from adit.model.build import autocast, build_vae, pick_device
from adit.model.features import featurize
from adit.model.padding import pad, padding_mask, unpad
from adit.model.vae import VAE, Posterior
from adit.progress import Progress
from adit.store import read_arrow, read_json, read_systems, read_tensors, sha256, write_arrow
from adit.systems import AtomicSystem, SystemBatch
from adit.train.corpus import Corpus
from adit.train.loop import step_generator

SPLITS = ("train", "val")


def load_vae(folder: Path) -> VAE:
    """Read a trained autoencoder."""
    config = read_json(folder / "config.json")
    return build_vae(config, read_tensors(folder / "model.safetensors"), str(folder))


@torch.no_grad()
def encode_systems(
    vae: VAE, systems: Sequence[AtomicSystem], generator: torch.Generator, translation_std: float | None
) -> tuple[Posterior, Tensor]:
    """Return the posterior of ``systems`` and the mask, on the autoencoder's device.

    Args:
        vae: the autoencoder.
        systems: what to encode.
        generator: of the augmentation.
        translation_std: Å, of the augmented view; ``None``: the systems as they are.
    """
    device = next(vae.parameters()).device
    batch = SystemBatch.from_systems(systems).to(device)
    features = featurize(batch if translation_std is None else augment(batch, generator, translation_std))
    with autocast(device, "auto"):
        return vae.encoder(features), features.mask


def encode(stage: EncodeStage, vae_dir: Path, data: Path, outs: Sequence[Path]) -> None:
    """Write one file a view: mean and log-variance of every training and validation system.

    The rows of a split stand in the order of the dataset's file.
    """
    vae = load_vae(vae_dir).to(pick_device())
    table = read_systems(data)
    provenance = {"data_sha256": sha256(data), "vae_sha256": sha256(vae_dir / "model.safetensors")}
    systems = {split: table.systems(split) for split in SPLITS}
    progress = Progress("encodings", len(outs) * sum(map(len, systems.values())))
    for view, out in enumerate(outs):
        columns: dict[str, list[object]] = {"system_id": [], "split": [], "mean": [], "logvar": []}
        for split in SPLITS:
            means, logvars = _encode_split(vae, systems[split], stage, f"{data.stem}-{split}", view, progress)
            columns["system_id"] += [s.system_id for s in systems[split]]
            columns["split"] += [split] * len(systems[split])
            columns["mean"] += means
            columns["logvar"] += logvars
        schema = pa.schema(
            [
                ("system_id", pa.string()),
                ("split", pa.string()),
                ("mean", pa.list_(pa.float32())),
                ("logvar", pa.list_(pa.float32())),
            ],
            metadata={"adit": json.dumps({**provenance, "view": view}, sort_keys=True)},
        )
        write_arrow(out, pa.table(columns, schema=schema))


def _encode_split(
    vae: VAE, systems: Sequence[AtomicSystem], stage: EncodeStage, name: str, view: int, progress: Progress
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    means: list[np.ndarray] = [np.empty(0)] * len(systems)
    logvars: list[np.ndarray] = [np.empty(0)] * len(systems)
    for part, positions in enumerate(_chunks(systems)):
        generator = step_generator(stage.seed, "encode", name, view, part)
        shift = stage.translation_std if stage.augment else None
        posterior, _ = encode_systems(vae, [systems[i] for i in positions], generator, shift)
        for row, i in enumerate(positions):
            n = len(systems[i])
            means[i] = posterior.mean[row, :n].cpu().numpy().ravel()
            logvars[i] = posterior.logvar[row, :n].cpu().numpy().ravel()
        progress.update(len(positions))
    return means, logvars


def _chunks(systems: Sequence[AtomicSystem], largest: int = 256) -> list[list[int]]:
    buckets = size_buckets([len(s) for s in systems])
    return [bucket[i : i + largest] for bucket in buckets for i in range(0, len(bucket), largest)]


class LatentSource(Protocol):
    """Gives the clean latents of training items."""

    latent_dim: int

    def latents(self, items: Sequence[Item], generator: torch.Generator, split: str) -> tuple[Tensor, Tensor]:
        """Return one sample of the posterior (B, M, d) and the mask (B, M)."""
        ...


class OnTheFly:
    """Encodes a fresh augmented view at every step, as the paper does (K = 0)."""

    def __init__(self, vae: VAE, corpus: Corpus, translation_std: float | None) -> None:
        self.vae, self.corpus, self.translation_std = vae, corpus, translation_std
        self.latent_dim = vae.config.latent_dim

    def latents(self, items: Sequence[Item], generator: torch.Generator, split: str) -> tuple[Tensor, Tensor]:
        """Augment, encode and sample."""
        systems = self.corpus.systems(items, split)
        posterior, mask = encode_systems(self.vae, systems, generator, self.translation_std)
        noise = torch.randn(posterior.mean.shape, generator=generator).to(posterior.mean.device)
        return posterior.sample(noise), mask


class Cached:
    """Samples the posterior of one of K views from memory-mapped files.

    Args:
        files: for each dataset of the mixture, its K files.
        corpus: the datasets, in the same order.
        latent_dim: d.
        device: where the latents go.

    Raises:
        DataError: a file was made of other data.
    """

    def __init__(self, files: Sequence[Sequence[Path]], corpus: Corpus, latent_dim: int, device: torch.device) -> None:
        self.latent_dim, self.device = latent_dim, device
        self.views = [[_View(path, latent_dim) for path in paths] for paths in files]
        for data, views in zip(corpus.datasets, self.views, strict=True):
            expected = {"train": [s.system_id for s in data.train], "val": [s.system_id for s in data.val]}
            for view in views:
                view.check(expected)

    def latents(self, items: Sequence[Item], generator: torch.Generator, split: str) -> tuple[Tensor, Tensor]:
        """Pick a view of each item at random and sample its posterior."""
        picks = torch.randint(0, 1 << 30, (len(items),), generator=generator).tolist()
        rows = [
            self.views[item.dataset][pick % len(self.views[item.dataset])].row(item.index, split)
            for item, pick in zip(items, picks, strict=True)
        ]
        mean = torch.from_numpy(np.concatenate([mean for mean, _ in rows]))
        logvar = torch.from_numpy(np.concatenate([logvar for _, logvar in rows]))
        sampled = Posterior(mean[None], logvar[None]).sample(torch.randn(mean.shape, generator=generator)[None])[0]
        mask = padding_mask(torch.tensor([len(mean) for mean, _ in rows]))
        return pad(sampled, mask).to(self.device), mask.to(self.device)


class _View:
    """One cache file, memory-mapped."""

    def __init__(self, path: Path, latent_dim: int) -> None:
        table = read_arrow(path).combine_chunks()
        self.path, self.latent_dim = path, latent_dim
        splits = np.array(table.column("split").to_pylist(), dtype=str)
        self.rows = {split: np.flatnonzero(splits == split) for split in SPLITS}
        self.ids = table.column("system_id").to_pylist()
        self.columns = [_flat(table, name) for name in ("mean", "logvar")]

    def check(self, expected: dict[str, list[str]]) -> None:
        for split, ids in expected.items():
            if [self.ids[i] for i in self.rows[split]] != ids:
                raise DataError(f"{self.path}: holds latents of other data; run `adit encode` again")

    def row(self, index: int, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and log-variance (n, d) of the ``index``-th system of a split."""
        i = int(self.rows[split][index])
        mean, logvar = (v[start[i] : start[i + 1]].reshape(-1, self.latent_dim) for v, start in self.columns)
        return mean, logvar


def _flat(table: pa.Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return values and row offsets of a list column, without a copy."""
    column = table.column(name)
    array = column.chunk(0) if column.num_chunks else pa.array([], type=column.type)
    return array.values.to_numpy(), array.offsets.to_numpy()


def channel_statistics(source: LatentSource, items: Sequence[Item]) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (d,) of the latents of ``items``."""
    gathered = []
    for part, start in enumerate(range(0, len(items), 256)):
        latents, mask = source.latents(items[start : start + 256], step_generator(0, "statistics", part), "train")
        gathered.append(unpad(latents, mask))
    values = torch.cat(gathered)
    return values.mean(dim=0), values.std(dim=0).clamp(min=1e-3)
