"""The latent cache: K augmented encodings of a dataset on disk, or encoding on the fly if K = 0."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from adit.columns import Col
from adit.config import EncodeStage
from adit.data.augment import Views, augment
from adit.data.batching import size_buckets
from adit.errors import DataError
from adit.model import build as model_build
from adit.model.build import autocast, pick_device
from adit.model.features import featurize
from adit.model.padding import pad, padding_mask, unpad
from adit.model.vae import VAE, Posterior
from adit.progress import Progress
from adit.store import read_arrow, read_systems, sha256, weights_sha256, write_arrow
from adit.systems import SystemArrays, SystemBatch
from adit.train.corpus import SPLITS, Corpus, check_vocabulary
from adit.train.draws import Draws, step_generator
from adit.transfer import to_device


def load_frozen_vae(folder: Path) -> VAE:
    """Return a trained autoencoder, on the CPU.

    Raises:
        DataError: a file is missing or broken, or the weights are not those of the record.
        ConfigError: the network needs e3nn, and it is not installed.
    """
    return model_build.load_vae(folder)[1]


@torch.no_grad()
def encode_batch(
    vae: VAE, batch: SystemBatch, views: Views, translation_std: float | None, length: int
) -> tuple[Posterior, Tensor]:
    """Return the posterior of a batch and the mask (B, M) of real atoms.

    Args:
        vae: the autoencoder.
        batch: systems to encode, on their device.
        views: random numbers of the augmentation.
        translation_std: random shift of molecules, Å; ``None``: no augmentation.
        length: atoms of the largest system.
    """
    features = featurize(batch if translation_std is None else augment(batch, views, translation_std), length)
    with autocast(batch.positions.device, "auto"):
        return vae.encoder(features), features.mask


def encode_dataset(stage: EncodeStage, vae_dir: Path, data: Path, outs: Sequence[Path]) -> None:
    """Write one Arrow file per view: mean and log-variance of every training and validation system.

    The rows of a split have the order of the dataset's file.

    Args:
        stage: slice of the configuration.
        vae_dir: the trained autoencoder.
        data: prepared dataset.
        outs: files to write, one per view.

    Raises:
        DataError: an input is missing or broken, or contains an element that the autoencoder does not know.
    """
    vae = load_frozen_vae(vae_dir).to(pick_device())
    table = read_systems(data)
    provenance = {"data_sha256": sha256(data), "vae_sha256": weights_sha256(vae_dir)}
    arrays = {split: table.arrays(split) for split in SPLITS}
    check_vocabulary(str(data), arrays.values(), vae.max_atomic_number, str(vae_dir))
    ids = [name for split in SPLITS for name in table.split_ids(split)]
    labels = [split for split in SPLITS for _ in range(len(arrays[split]))]
    progress = Progress("encodings", len(outs) * len(ids))
    for view, out in enumerate(outs):
        parts = [_encode_split(vae, arrays[split], stage, f"{data.stem}-{split}", view, progress) for split in SPLITS]
        columns = {
            Col.SYSTEM_ID: pa.array(ids),
            "split": pa.array(labels),
            "mean": pa.chunked_array([mean for mean, _ in parts]).combine_chunks(),
            "logvar": pa.chunked_array([logvar for _, logvar in parts]).combine_chunks(),
        }
        metadata = {"adit": json.dumps({**provenance, "view": view}, sort_keys=True)}
        write_arrow(out, pa.table(columns).replace_schema_metadata(metadata))


def _encode_split(
    vae: VAE, arrays: SystemArrays, stage: EncodeStage, name: str, view: int, progress: Progress
) -> tuple[pa.ListArray, pa.ListArray]:
    """Return mean and log-variance: for each system a list of n × d numbers."""
    device = next(vae.parameters()).device
    dim = vae.config.latent_dim
    filled = [np.zeros((len(arrays.numbers), dim), dtype=np.float32) for _ in range(2)]
    shift = stage.translation_std if stage.augment else None
    views = Views.draw(len(arrays), step_generator(stage.seed, "encode", name, view))
    for part in size_buckets(arrays.n_atoms, smallest=4096, largest=16384):
        rows = np.array(part)
        drawn = views.part(torch.from_numpy(rows), device)
        batch, length = SystemBatch.from_arrays(arrays, rows).to(device), int(arrays.n_atoms[rows].max())
        posterior, mask = encode_batch(vae, batch, drawn, shift, length)
        for target, values in zip(filled, (posterior.mean, posterior.logvar), strict=True):
            target[arrays.atoms_of(rows)] = unpad(values, mask).cpu().numpy()
        progress.update(len(part))
    offsets = pa.array(arrays.offsets * dim, pa.int32())
    mean, logvar = (pa.ListArray.from_arrays(offsets, pa.array(values.ravel())) for values in filled)
    return mean, logvar


class LatentSource(Protocol):
    """Source of the clean latents of training systems.

    Attributes:
        latent_dim: channels d.
        device: device of the latents.
    """

    latent_dim: int
    device: torch.device

    def latents(self, rows: np.ndarray, draws: Draws, split: str) -> tuple[Tensor, Tensor]:
        """Return a sample of the posterior (B, M, d), from each atom's first d normal numbers, and the mask (B, M).

        Args:
            rows: (B,) indices of systems in the split.
            draws: random numbers of these systems.
            split: ``train`` or ``val``.
        """
        ...


class OnTheFly:
    """Encodes a fresh augmented view at every step, as the paper does (K = 0).

    Args:
        vae: the autoencoder.
        corpus: the systems.
        translation_std: random shift of molecules, Å; ``None``: no augmentation.
    """

    def __init__(self, vae: VAE, corpus: Corpus, translation_std: float | None) -> None:
        self.vae, self.corpus, self.translation_std = vae, corpus, translation_std
        self.latent_dim = vae.config.latent_dim
        self.device = next(vae.parameters()).device

    def latents(self, rows: np.ndarray, draws: Draws, split: str) -> tuple[Tensor, Tensor]:
        """Augment, encode and sample."""
        batch = self.corpus.batch(rows, split).to(self.device)
        posterior, mask = encode_batch(self.vae, batch, draws.views, self.translation_std, draws.largest)
        return posterior.sample(pad(draws.atom_normal[:, : self.latent_dim], mask)), mask


class Cached:
    """Samples the posterior of one of K views from memory-mapped files.

    Args:
        files: for each dataset of the mixture, its K files.
        corpus: the datasets, in the same order.
        latent_dim: d.
        device: device of the latents.
        vae_sha256: expected hash of the autoencoder; ``None``: any.

    Raises:
        DataError: a file was made from other data, or by another autoencoder.
    """

    def __init__(
        self,
        files: Sequence[Sequence[Path]],
        corpus: Corpus,
        latent_dim: int,
        device: torch.device,
        vae_sha256: str | None = None,
    ) -> None:
        self.latent_dim, self.device, self.corpus = latent_dim, device, corpus
        self.views = [[_View(path, latent_dim) for path in paths] for paths in files]
        for data, views in zip(corpus.datasets, self.views, strict=True):
            for view in views:
                view.check({split: data.table.split_ids(split) for split in SPLITS}, vae_sha256)
        self._starts = {split: np.cumsum([0, *(d.counts[split] for d in corpus.datasets)]) for split in SPLITS}

    def latents(self, rows: np.ndarray, draws: Draws, split: str) -> tuple[Tensor, Tensor]:
        """Select a random view of each system and sample its posterior."""
        sizes = self.corpus.sizes(rows, split)
        ends = np.cumsum(sizes)
        moments = np.empty((2, int(ends[-1]), self.latent_dim), dtype=np.float32)
        picks = (draws.choices[:, 2] * len(self.views[0])).astype(int)
        dataset = np.searchsorted(self._starts[split], rows, side="right") - 1
        for d, views in enumerate(self.views):
            for k, view in enumerate(views):
                chosen = np.flatnonzero((dataset == d) & (picks == k))
                if len(chosen):
                    target = np.concatenate([np.arange(ends[i] - sizes[i], ends[i]) for i in chosen])
                    moments[:, target] = view.moments(rows[chosen] - self._starts[split][d], split)
        mean, logvar = to_device(torch.from_numpy(moments), self.device)
        mask = padding_mask(to_device(torch.from_numpy(sizes), self.device), draws.largest)
        noise = draws.atom_normal[:, : self.latent_dim]
        return pad(mean + torch.exp(0.5 * logvar) * noise, mask), mask


class _View:
    """One cache file, memory-mapped."""

    def __init__(self, path: Path, latent_dim: int) -> None:
        table = read_arrow(path).combine_chunks()
        self.vae_sha256 = json.loads((table.schema.metadata or {}).get(b"adit", b"{}")).get("vae_sha256")
        self.path, self.latent_dim = path, latent_dim
        splits = np.array(table.column("split").to_pylist(), dtype=str)
        self.rows = {split: np.flatnonzero(splits == split) for split in SPLITS}
        self.ids = table.column(Col.SYSTEM_ID).to_pylist()
        self.columns = [_flat(table, name) for name in ("mean", "logvar")]

    def check(self, expected: dict[str, list[str]], vae_sha256: str | None) -> None:
        if vae_sha256 is not None and self.vae_sha256 != vae_sha256:
            raise DataError(f"{self.path}: holds latents of another autoencoder; run `adit encode` again")
        for split, ids in expected.items():
            if [self.ids[i] for i in self.rows[split]] != ids:
                raise DataError(f"{self.path}: holds latents of other data; run `adit encode` again")

    def moments(self, indices: np.ndarray, split: str) -> np.ndarray:
        """Return mean and log-variance (2, N, d) of systems of a split."""
        rows = self.rows[split][indices]
        pieces = [np.concatenate([v[start[i] : start[i + 1]] for i in rows]) for v, start in self.columns]
        return np.stack(pieces).reshape(2, -1, self.latent_dim)


def _flat(table: pa.Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return values and row offsets of a list column, without a copy."""
    column = table.column(name)
    array = column.chunk(0) if column.num_chunks else pa.array([], type=column.type)
    return array.values.to_numpy(), array.offsets.to_numpy()


def channel_statistics(source: LatentSource, corpus: Corpus, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (d,) of the latents of training systems; the latter is at least 0.001.

    Args:
        source: source of the latents.
        corpus: the systems.
        rows: (B,) indices of systems in the training split.
    """
    gathered = []
    for part, start in enumerate(range(0, len(rows), 256)):
        chosen = rows[start : start + 256]
        sizes = corpus.sizes(chosen, "train")
        draws = Draws.make(sizes, step_generator(0, "statistics", part), 3, source.latent_dim)
        latents, mask = source.latents(chosen, draws.part(np.arange(len(chosen)), source.device), "train")
        gathered.append(unpad(latents, mask))
    values = torch.cat(gathered)
    return values.mean(dim=0), values.std(dim=0).clamp(min=1e-3)
