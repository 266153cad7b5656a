"""Validity of samples of several weights, drawn alike: the rows of docs/speedrun.md.

python benchmarks/quality.py results/pretrain/weights weights --n 200

Equal seed, settings and number; nothing of what is reported elsewhere is drawn here.
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


def main() -> None:
    """Sample, score and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("weights", type=Path, nargs="+", help="folders with vae/ and dit/")
    options.add_argument("--n", type=int, default=200, help="samples of each kind")
    options.add_argument("--seed", type=int, default=11)
    options.add_argument("--solver", default="ddim")
    options.add_argument("--eta", type=float, default=2.0)
    options.add_argument("--temperature", type=float, default=0.7)
    options.add_argument("--steps", type=int, default=50)
    options.add_argument("--guidance", type=float, default=1.0)
    options.add_argument("--threads", type=int, default=1)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    names = ("solver", "eta", "temperature") if args.solver == "ddim" else ("solver",)
    settings = {name: getattr(args, name) for name in (*names, "steps", "guidance")}
    stage = SampleStage(seed=args.seed, sample=SampleConfig.model_validate(settings))
    print(describe(), settings, args.n)
    print(pd.DataFrame([measure(folder, stage, args.n) for folder in args.weights]).to_markdown(index=False))


def measure(weights: Path, stage: SampleStage, n: int) -> dict[str, str | float]:
    """Return the shares of one folder's samples."""
    sampler = Sampler(weights / "vae", weights / "dit")
    row: dict[str, str | float] = {"weights": str(weights)}
    with tempfile.TemporaryDirectory() as folder:
        for kind, shares in ((Kind.CRYSTAL, crystal_shares), (Kind.MOLECULE, molecule_shares)):
            out = Path(folder) / f"{kind}.arrow"
            write_samples(sampler, stage, kind, range(n), out)
            row |= shares(list(read_systems(out)))
    return row


if __name__ == "__main__":
    main()
