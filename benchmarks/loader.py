"""How many atoms a second the training loader gives, and how many a denoiser takes in training.

python benchmarks/loader.py --data prepared/mp20.arrow prepared/qm9.arrow [--json out.json]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from machine import describe
from plain import warm

from adit.config import DataConfig, DatasetConfig, DitModelConfig
from adit.data.batching import size_buckets
from adit.model.conditions import null_conditions
from adit.model.dit import DiT
from adit.model.padding import padding_mask
from adit.train.corpus import Corpus, read_corpus
from adit.train.draws import Draws, step_generator


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, nargs="+", required=True, help="prepared datasets")
    options.add_argument("--batch", type=int, default=256, help="systems a step")
    options.add_argument("--steps", type=int, default=100, help="steps of the loader")
    options.add_argument("--json", type=Path)
    args = options.parse_args()
    config = DataConfig(datasets=tuple(DatasetConfig(name=path.stem) for path in args.data))
    start = time.perf_counter()
    corpus = read_corpus(args.data, config)
    opened = time.perf_counter() - start
    loader, padding = loading(corpus, args.batch, args.steps)
    denoiser = denoising(corpus, args.batch)
    results = {
        "machine": describe(),
        "systems": sum(d.counts["train"] for d in corpus.datasets),
        "reading the corpus, s": round(opened, 2),
        "loader, atoms/s": round(loader),
        "padding, %": round(100 * padding, 1),
        "DiT-S training, atoms/s": round(denoiser),
        "loader / DiT-S": round(loader / denoiser, 1),
    }
    for name, value in results.items():
        print(f"{name}: {value}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def loading(corpus: Corpus, batch: int, steps: int) -> tuple[float, float]:
    """Return atoms a second of everything before the network, and the share of padding."""
    mixture = corpus.mixture(batch, 0)
    atoms = computed = 0
    start = time.perf_counter()
    for step in range(steps):
        rows = mixture.batch(step)
        sizes = corpus.sizes(rows, "train")
        draws = Draws.make(sizes, step_generator(0, "loader", step), 3, 16)
        for part in size_buckets(sizes):
            places = np.array(part)
            batch_here = corpus.batch(rows[places], "train")
            corpus.conditions((), rows[places], "train")
            draws.part(places, "cpu")
            atoms += len(batch_here.numbers)
            computed += len(part) * int(sizes[places].max())
    return atoms / (time.perf_counter() - start), 1 - atoms / computed


def denoising(corpus: Corpus, batch: int) -> float:
    """Return atoms a second of DiT-S: forward, backward, optimiser, on ready latents."""
    torch.manual_seed(0)
    module = warm(DiT(DitModelConfig(d_model=384, heads=6, layers=12), 8))
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4, fused=True)
    rows = corpus.mixture(batch, 0).batch(0)
    sizes = corpus.sizes(rows, "train")
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        for part in size_buckets(sizes):
            mask = padding_mask(torch.from_numpy(sizes[np.array(part)]))
            z = torch.randn(*mask.shape, 8)
            out = module(z, z, torch.rand(len(part)), null_conditions((), len(part)), mask)
            torch.autograd.backward((out - z).square().mean())
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
    return float(sizes.sum()) / min(seconds)


if __name__ == "__main__":
    main()
