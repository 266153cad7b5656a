"""Generation: one shard of samples of one kind, from noise to decoded systems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from adit.config import SampleStage
from adit.errors import DataError
from adit.flow.guidance import Guided
from adit.flow.path import center
from adit.flow.solver import euler
from adit.model.build import autocast, build_dit, build_vae, pick_device
from adit.model.conditions import encode, null_conditions
from adit.model.dit import DiT
from adit.model.padding import pad, padding_mask
from adit.model.vae import VAE
from adit.progress import Progress
from adit.sample.decode import decode_rows
from adit.sample.prior import Draw, SizePrior, draw
from adit.store import Row, read_json, read_tensors, sha256, write_systems
from adit.systems import Kind


class Generator:
    """A trained pair of autoencoder and denoiser, ready to sample.

    Args:
        vae_dir: folder of the autoencoder.
        dit_dir: folder of the denoiser.

    Raises:
        DataError: the denoiser was trained on latents of another autoencoder.
    """

    def __init__(self, vae_dir: Path, dit_dir: Path) -> None:
        self.device = pick_device()
        self.config = read_json(dit_dir / "config.json")
        vae_weights, dit_weights = vae_dir / "model.safetensors", dit_dir / "model.safetensors"
        self.hashes = {"vae_sha256": sha256(vae_weights), "dit_sha256": sha256(dit_weights)}
        if self.config.get("vae_sha256") != self.hashes["vae_sha256"]:
            raise DataError(f"{dit_dir}: was trained on latents of another autoencoder than {vae_dir}; train it again")
        self.vae: VAE = build_vae(read_json(vae_dir / "config.json"), read_tensors(vae_weights), str(vae_dir))
        self.dit: DiT = build_dit(self.config, read_tensors(dit_weights), str(dit_dir))
        self.vae.to(self.device)
        self.dit.to(self.device)

    @torch.no_grad()
    def batch(self, draws: Sequence[Draw], kind: Kind, steps: int, guidance: float, progress: Progress) -> list[Row]:
        """Integrate, decode and convert one batch. Source: Algorithm 3."""
        sizes = [len(d.noise) for d in draws]
        mask = padding_mask(torch.tensor(sizes)).to(self.device)
        noise = pad(torch.cat([torch.from_numpy(d.noise) for d in draws]).to(self.device), mask)
        if self.config["center_noise"]:
            noise = center(noise, mask)
        labels = self.dit.config.labels
        asked = encode(labels, [kind] * len(draws), [{}] * len(draws)).to(self.device)
        predict = Guided(self.dit, asked, null_conditions(labels, len(draws), self.device), mask, guidance)
        with autocast(self.device, "auto"):
            latents = euler(predict, noise, steps=steps, on_step=lambda _: progress.update(len(draws)))
            decoded = self.vae.decoder(self.dit.denormalize(latents), mask)
        return decode_rows(decoded, sizes, [d.system_id for d in draws], kind)


def batches(draws: Sequence[Draw], batch_atoms: int) -> list[list[int]]:
    """Group draws of like size so that no batch holds more than ``batch_atoms`` atoms, padding included."""
    order = sorted(range(len(draws)), key=lambda i: (-len(draws[i].noise), i))
    groups: list[list[int]] = []
    for i in order:
        largest = len(draws[groups[-1][0]].noise) if groups else 0
        if groups and (len(groups[-1]) + 1) * largest <= batch_atoms:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def sample_shard(stage: SampleStage, vae_dir: Path, dit_dir: Path, kind: Kind, shard: int, out: Path) -> None:
    """Write one shard of samples: systems and failures, in the order of their global index."""
    config = stage.sample
    model = Generator(vae_dir, dit_dir)
    prior = SizePrior(model.config["size_histograms"], kind)
    first, last = config.bounds(kind, shard)
    draws = [draw(prior, stage.seed, kind, index, model.dit.latent_dim) for index in range(first, last)]
    rows: dict[int, Row] = {}
    progress = Progress(f"{kind} denoising steps", len(draws) * config.steps)
    for group in batches(draws, config.batch_atoms):
        made = model.batch([draws[i] for i in group], kind, config.steps, config.guidance, progress)
        rows.update(zip(group, made, strict=True))
    metadata = {
        "seed": stage.seed,
        "kind": str(kind),
        "steps": config.steps,
        "guidance": config.guidance,
        **model.hashes,
    }
    write_systems(out, [rows[i] for i in range(len(draws))], metadata=metadata)
