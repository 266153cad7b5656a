"""Samples a second: the plain form against the package's own, same weights, same samples asked, in one run.

The plain form pads every batch to its longest system, is fp32 and eager, evaluates both halves of the guidance one
after the other, keeps the whole trajectory and decodes at the end. At equal steps, with random weights of the paper's
size and the sizes of a dataset:

    python benchmarks/sampling.py --data results/datasets/mp20.arrow [--json out.json]

At equal quality, with trained weights: the fastest of the candidates whose validity lies in the interval of Euler's at
500 steps, both halves of the guidance at the scale of the configuration:

    python benchmarks/sampling.py --weights results/pretrain --kind crystal --n 500
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from machine import describe, matmul_peak
from plain import PlainSampler, plain_attention, warm

from adit.config import DitModelConfig, SampleConfig, SampleStage, VaeModelConfig
from adit.elements import symbol
from adit.model.dit import DiT
from adit.model.flops import per_atom_weights
from adit.model.vae import VAE
from adit.sample.engine import Sampler
from adit.sample.generate import write_samples
from adit.score.common.aggregate import wilson
from adit.score.crystals.composition import compositionally_valid
from adit.score.crystals.validity import closest_contacts, structurally_valid
from adit.score.molecules.validity import check_molecule
from adit.store import Row, read_systems, sha256, write_json, write_tensors
from adit.systems import AtomicSystem, Kind

CANDIDATES = ("euler:50", "euler:25", "ab2:25", "exp-ab2:25", "exp-ab2:16", "exp-ab2:12")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="prepared dataset: its sizes, DiT-S with random weights")
    options.add_argument("--weights", type=Path, help="folder with vae/ and dit/: quality is compared too")
    options.add_argument("--kind", choices=[str(kind) for kind in Kind], default="crystal")
    options.add_argument("--n", type=int, default=128, help="samples of each form")
    options.add_argument("--plain-n", type=int, help="samples of the plain form, if fewer")
    options.add_argument("--steps", type=int, default=10, help="Euler's steps at equal steps")
    options.add_argument("--guidance", type=float, default=2.0)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--reference-steps", type=int, default=500, help="Euler's steps that set the quality")
    options.add_argument("--candidates", nargs="+", default=CANDIDATES, metavar="SOLVER:STEPS[:GUIDANCE]")
    options.add_argument("--json", type=Path)
    args = options.parse_args()
    if (args.data is None) == (args.weights is None):
        options.error("give --data or --weights")
    kind = Kind(args.kind)
    with tempfile.TemporaryDirectory() as folder:
        weights = args.weights or random_weights(Path(folder), args.data, kind)
        sampler = Sampler(weights / "vae", weights / "dit")
        bench = Bench(sampler, kind, args.seed, Path(folder))
        results: dict[str, Any] = {"machine": describe(), "samples": args.n, "guidance": args.guidance}
        if args.weights is None:
            results |= equal_steps(bench, args.n, args.plain_n or args.n, args.steps, args.guidance)
        else:
            results |= equal_quality(bench, args)
    print(json.dumps(results, indent=1))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


class Bench:
    """Times both forms on the same weights and the same samples."""

    def __init__(self, sampler: Sampler, kind: Kind, seed: int, folder: Path) -> None:
        self.sampler, self.kind, self.seed, self.folder = sampler, kind, seed, folder

    def stage(self, solver: str, steps: int, guidance: float) -> SampleStage:
        """Return the settings of one measurement."""
        sample = SampleConfig.model_validate({"solver": solver, "steps": steps, "guidance": guidance})
        return SampleStage(seed=self.seed, sample=sample)

    def own(self, n: int, solver: str, steps: int, guidance: float) -> tuple[float, list[Row]]:
        """Return seconds per sample, and the samples."""
        out = self.folder / "own.arrow"
        start = time.perf_counter()
        write_samples(self.sampler, self.stage(solver, steps, guidance), self.kind, range(n), out)
        return (time.perf_counter() - start) / n, list(read_systems(out))

    def plain(self, n: int, steps: int, guidance: float) -> tuple[float, list[Row]]:
        """Return seconds per sample, and the samples."""
        request = self.sampler.request(self.stage("euler", steps, guidance), self.kind)
        start = time.perf_counter()
        with plain_attention():
            rows = PlainSampler(self.sampler, steps, guidance).samples([request.draw(i) for i in range(n)], self.kind)
        return (time.perf_counter() - start) / n, rows

    def least(self, n: int, steps: int) -> float:
        """Return the seconds per sample of the products with weights at the machine's best rate, one half only."""
        request = self.sampler.request(self.stage("euler", steps, 1.0), self.kind)
        weights, _ = per_atom_weights(self.sampler.dit)
        width = self.sampler.dit.config.d_model
        dtype = next(layer.weight.dtype for layer in self.sampler.dit.modules() if isinstance(layer, torch.nn.Linear))
        peak = matmul_peak([(1024, width, 4 * width), (1024, width, width)], dtype, self.sampler.device)
        return 2 * weights * steps * sum(len(request.draw(i)) for i in range(n)) / n / (1e12 * peak)


def equal_steps(bench: Bench, n: int, plain_n: int, steps: int, guidance: float) -> dict[str, Any]:
    """Compare at equal steps."""
    bench.own(min(n, 16), "euler", 2, guidance)
    own, _ = bench.own(n, "euler", steps, guidance)
    plain, _ = bench.plain(plain_n, steps, guidance)
    unguided, _ = bench.own(n, "euler", steps, 1.0)
    least = bench.least(n, steps)
    return {
        "steps": steps,
        "plain, ms/sample": round(1e3 * plain, 2),
        "ours, ms/sample": round(1e3 * own, 2),
        "ours without guidance, ms/sample": round(1e3 * unguided, 2),
        "ratio": round(plain / own, 2),
        "ratio without guidance": round(plain / unguided, 2),
        "least, ms/sample": round(1e3 * 2 * least, 2),
        "least without guidance, ms/sample": round(1e3 * least, 2),
    }


def equal_quality(bench: Bench, args: argparse.Namespace) -> dict[str, Any]:
    """Compare the plain form's Euler at many steps with each candidate."""
    plain_n = args.plain_n or args.n
    bench.own(min(args.n, 16), "euler", 2, args.guidance)
    plain, _ = bench.plain(plain_n, 20, args.guidance)
    plain *= args.reference_steps / 20  # each step costs the same
    seconds, rows = bench.own(args.n, "euler", args.reference_steps, args.guidance)
    low = validity(rows)[1]
    results = {"reference": entry(f"euler:{args.reference_steps}", seconds, plain, rows)}
    print(json.dumps(results), flush=True)
    best = ("none", 0.0)
    for name in args.candidates:
        solver, steps, guidance = (*name.split(":"), str(args.guidance))[:3]
        seconds, rows = bench.own(args.n, solver, int(steps), float(guidance))
        results[name] = entry(name, seconds, plain, rows)
        print(json.dumps(results[name]), flush=True)
        if validity(rows)[0] >= low and plain / seconds > best[1]:
            best = (name, plain / seconds)
    return {"plain, ms/sample": round(1e3 * plain, 2), **results, "best": best[0], "ratio": round(best[1], 1)}


def entry(name: str, seconds: float, plain: float, rows: Sequence[Row]) -> dict[str, Any]:
    """Return one line of the table."""
    valid, low, high = validity(rows)
    return {
        "form": name,
        "ms/sample": round(1e3 * seconds, 2),
        "times the plain form": round(plain / seconds, 1),
        "valid, %": round(100 * valid, 1),
        "interval, %": [round(100 * low, 1), round(100 * high, 1)],
    }


def validity(rows: Sequence[Row]) -> tuple[float, float, float]:
    """Return the share of valid samples with its 95 % interval: overall validity of crystals, strict of molecules."""
    good = sum(isinstance(row, AtomicSystem) and is_valid(row) for row in rows)
    return good / len(rows), *wilson(good, len(rows), 0.95)


def is_valid(system: AtomicSystem) -> bool:
    """Return whether a sample is valid."""
    if not system.kind.periodic:
        return check_molecule(system).strict
    try:
        contacts = closest_contacts(system)
    except Exception:  # noqa: BLE001 - a cell that cannot be looked at is not a crystal
        return False
    counts = Counter(symbol(int(z)) for z in system.numbers)
    return structurally_valid(contacts, system.volume) and compositionally_valid(counts)


def random_weights(folder: Path, data: Path, kind: Kind) -> Path:
    """Write the paper's autoencoder and DiT-S with random weights and the sizes of a dataset."""
    torch.manual_seed(0)
    sizes = Counter(len(row) for row in read_systems(data).systems())
    vae_config, dit_config = VaeModelConfig(), DitModelConfig(d_model=384, heads=6, layers=12)
    write_tensors(folder / "vae/model.safetensors", VAE(vae_config, 100).state_dict())
    write_json(folder / "vae/config.json", {"model": vae_config.model_dump(mode="json"), "max_atomic_number": 100})
    write_tensors(folder / "dit/model.safetensors", warm(DiT(dit_config, 8)).state_dict())
    described = {
        "model": dit_config.model_dump(mode="json"),
        "latent_dim": 8,
        "center_noise": True,
        "size_histograms": {str(kind): {str(n): float(count) for n, count in sizes.items()}},
        "vae_sha256": sha256(folder / "vae/model.safetensors"),
    }
    write_json(folder / "dit/config.json", described)
    return folder


if __name__ == "__main__":
    main()
