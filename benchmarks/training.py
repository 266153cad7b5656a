"""Atoms a second of training: the plain form against the package's own, same networks, same systems, in one run.

The plain form pads every batch to its longest system, is fp32 and eager, encodes on the fly; the package's own cuts a
batch into parts of similar size, takes latents from the cache, multiplies in bf16 where the device is fast at it. One
step is forward, backward and optimiser; every second step of a denoiser is self-conditioned in both forms.

    python benchmarks/training.py --data results/datasets/mp20.arrow results/datasets/qm9.arrow [--json out.json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from groups import shares
from machine import describe, matmul_peak, synchronize
from plain import PlainDit, PlainVae, plain_attention, warm

from adit.config import DataConfig, DatasetConfig, DitModelConfig, DitTrainConfig, VaeModelConfig, VaeTrainConfig
from adit.data.batching import size_buckets
from adit.model.build import autocast, fast_bf16, pick_device
from adit.model.dit import DiT
from adit.model.flops import training_flops
from adit.model.padding import pad, padding_mask
from adit.model.vae import VAE
from adit.train.corpus import Corpus, read_corpus
from adit.train.dit import DitTask
from adit.train.draws import Draws, step_generator
from adit.train.plan import TrainingTask
from adit.train.vae import VaeTask

DIT = {"dit-s": (384, 6, 12), "dit-b": (768, 12, 12), "dit-l": (1024, 16, 24)}
"""Width, heads and layers of the paper's denoisers."""


class Ready:
    """Latents that are there already, as from the cache: drawn once, gathered at every step."""

    def __init__(self, corpus: Corpus, latent_dim: int, device: torch.device) -> None:
        self.corpus, self.latent_dim, self.device = corpus, latent_dim, device
        atoms = len(corpus.arrays["train"].numbers)
        self.mean = np.random.default_rng(0).standard_normal((atoms, latent_dim), dtype=np.float32)

    def latents(self, rows: np.ndarray, draws: Draws, split: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Gather and sample."""
        arrays = self.corpus.arrays[split]
        mean = torch.from_numpy(self.mean[arrays.atoms_of(rows)]).to(self.device)
        mask = padding_mask(torch.from_numpy(arrays.n_atoms[rows]).to(self.device), draws.largest)
        return pad(mean + 0.05 * draws.atom_normal[:, : self.latent_dim], mask), mask


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, nargs="+", required=True, help="prepared datasets")
    options.add_argument("--models", nargs="+", default=["vae", "dit-s", "dit-b"], choices=["vae", *DIT])
    options.add_argument("--batch", type=int, default=256, help="systems a step")
    options.add_argument("--steps", type=int, default=2, help="steps of each form, after one to warm up")
    options.add_argument("--profile", action="store_true", help="say what takes the time of our step (on a CPU)")
    options.add_argument("--json", type=Path)
    args = options.parse_args()
    device = pick_device()
    config = DataConfig(datasets=tuple(DatasetConfig(name=path.stem) for path in args.data))
    corpus = read_corpus(args.data, config)
    results: dict[str, object] = {"machine": describe(), "data": [p.stem for p in args.data], "batch": args.batch}
    for name in args.models:
        results[name] = compare(name, corpus, device, args)
        print(name, json.dumps(results[name]), flush=True)
    print(json.dumps(results["machine"]))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def compare(name: str, corpus: Corpus, device: torch.device, args: argparse.Namespace) -> dict[str, object]:
    """Return atoms a second of both forms, and our share of the machine's matrix products."""
    batch, steps = args.batch, args.steps
    torch.manual_seed(0)
    vae = warm(VAE(VaeModelConfig(), 100)).to(device)
    if name == "vae":
        module: torch.nn.Module = vae
        plain = PlainVae(vae, device).step
        task: TrainingTask = VaeTask(vae, corpus, VaeTrainConfig(), device)
        width, rows = 512, 512
    else:
        width, heads, layers = DIT[name]
        rows = 512
        dit = warm(DiT(DitModelConfig(d_model=width, heads=heads, layers=layers), 8)).to(device)
        module, plain = dit, PlainDit(dit, vae.requires_grad_(False), device).step
        task = DitTask(dit, Ready(corpus, 8, device), corpus, DitTrainConfig(self_conditioning=0.5), device)
    mixture = corpus.mixture(batch, 0)
    batches = [mixture.batch(step) for step in range(steps + 1)]
    systems = [corpus.systems(chosen, "train") for chosen in batches]
    with plain_attention():
        plain_rate, _ = measure(lambda i: float(plain(systems[i])), corpus, batches, device)
    own = Own(task, corpus, device, module)
    own_rate, seconds = measure(lambda i: own.step(batches[i], i), corpus, batches, device)
    dtype = torch.bfloat16 if fast_bf16(device) else torch.float32
    peak = matmul_peak([(rows, width, 4 * width), (rows, 4 * width, width)], dtype, device)
    flops = sum(training_flops(module, corpus.sizes(chosen, "train")) for chosen in batches[1:])
    conditioned = 1.0 + (1 / 6 if name != "vae" else 0.0)  # every second step pays a third more
    profiled = {"time of our step, %": shares(lambda: own.step(batches[2 % len(batches)], 2))} if args.profile else {}
    return {
        "plain, atoms/s": round(plain_rate, 1),
        "ours, atoms/s": round(own_rate, 1),
        "ratio": round(own_rate / plain_rate, 2),
        "matmul peak, TFLOP/s": round(peak, 4),
        "ours, TFLOP/s": round(flops * conditioned / seconds / 1e12, 4),
        "share of peak, %": round(100 * flops * conditioned / seconds / 1e12 / peak, 1),
        **profiled,
    }


class Own:
    """One step as the training loop does it."""

    def __init__(self, task: TrainingTask, corpus: Corpus, device: torch.device, module: torch.nn.Module) -> None:
        self.task, self.corpus, self.device = task, corpus, device
        self.optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=1e-4, fused=True)

    def step(self, rows: np.ndarray, number: int) -> float:
        """Forward and backward of every part, then the optimiser."""
        sizes = self.corpus.sizes(rows, "train")
        draws = Draws.make(sizes, step_generator(0, "bench", number), self.task.per_system, self.task.per_atom)
        draws = replace(draws, step=0.9 * (number % 2 == 0))
        total = torch.zeros((), device=self.device)
        for part in size_buckets(sizes):
            places = np.array(part)
            with autocast(self.device, "auto"):
                losses = self.task.losses(rows[places], draws.part(places, self.device), "train")
            torch.autograd.backward(losses["loss"].sum() / len(rows))
            total += losses["loss"].detach().sum()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(total)


def measure(
    step: Callable[[int], float], corpus: Corpus, batches: list[np.ndarray], device: torch.device
) -> tuple[float, float]:
    """Return real atoms a second, and the seconds of all steps but the first, which warms up."""
    step(0)
    synchronize(device)
    start = time.perf_counter()
    for i in range(1, len(batches)):
        step(i)
    synchronize(device)
    seconds = time.perf_counter() - start
    return sum(int(corpus.sizes(chosen, "train").sum()) for chosen in batches[1:]) / seconds, seconds


if __name__ == "__main__":
    main()
