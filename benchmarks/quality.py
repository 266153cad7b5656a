"""Validity of samples of several weights, drawn alike: the rows of docs/speedrun.md.

python benchmarks/quality.py results/pretrain/weights weights --n 200

Equal seed, settings and number; nothing of what is reported elsewhere is drawn here. Without --solver, a bundle is
sampled with the settings that it names.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pandas as pd
import torch
from levers import crystal_shares, molecule_shares
from machine import describe

from adit.config import SampleConfig, SampleStage
from adit.sample.engine import Sampler
from adit.sample.generate import write_samples
from adit.store import read_systems
from adit.systems import Kind
from adit.train.bundle import read_manifest


def main() -> None:
    """Sample, score and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("weights", type=Path, nargs="+", help="folders with vae/ and dit/")
    options.add_argument("--n", type=int, default=200, help="samples of each kind")
    options.add_argument("--seed", type=int, default=11)
    options.add_argument("--solver")
    options.add_argument("--eta", type=float, default=2.0)
    options.add_argument("--temperature", type=float, default=0.7)
    options.add_argument("--steps", type=int, default=50)
    options.add_argument("--guidance", type=float, default=1.0)
    options.add_argument("--threads", type=int, default=1)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    names = ("solver", "eta", "temperature") if args.solver == "ddim" else ("solver",)
    given = {name: getattr(args, name) for name in (*names, "steps", "guidance")} if args.solver else None
    print(describe(), given or "settings of each bundle", args.n)
    rows = [
        measure(folder, SampleConfig.model_validate(given or read_manifest(folder)["sample"]), args.seed, args.n)
        for folder in args.weights
    ]
    print(pd.DataFrame(rows).to_markdown(index=False))


def measure(weights: Path, sample: SampleConfig, seed: int, n: int) -> dict[str, str | float]:
    """Return the shares of one folder's samples."""
    sampler = Sampler(weights / "vae", weights / "dit")
    row: dict[str, str | float] = {"weights": str(weights)}
    with tempfile.TemporaryDirectory() as folder:
        for kind, shares in ((Kind.CRYSTAL, crystal_shares), (Kind.MOLECULE, molecule_shares)):
            out = Path(folder) / f"{kind}.arrow"
            stage = SampleStage(seed=seed, sample=sample.of_kind(str(kind)))
            write_samples(sampler, stage, kind, range(n), out)
            row |= shares(list(read_systems(out)))
    return row


if __name__ == "__main__":
    main()
