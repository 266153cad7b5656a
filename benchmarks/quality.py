"""Validity of samples of several weights, drawn alike: the rows of docs/measurements/time-to-quality.md.

python benchmarks/quality.py results/pretrain/weights weights --n 200

Equal seed, settings and number; nothing of what is reported elsewhere is drawn here. Without --solver, a bundle is
sampled with the settings that it names.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
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

SHARES = {"crystal": crystal_shares, "molecule": molecule_shares}


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
    options.add_argument("--skip-guidance", type=float, default=1.0)
    options.add_argument("--skip-blocks", type=int, nargs="*", default=[])
    options.add_argument("--guidance-interval", type=float, nargs=2, default=[0.0, 1.0])
    options.add_argument("--formulas", choices=("model", "training"), default="model", help="of molecules")
    options.add_argument("--kinds", nargs="+", choices=list(SHARES), default=list(SHARES))
    options.add_argument("--threads", type=int, default=1)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    names = ["solver", "steps", "guidance", "guidance_interval", "skip_guidance", "skip_blocks"]
    names += ["eta", "temperature"] if args.solver == "ddim" else []
    lines = [
        name
        for name in (*names[1:], "eta", "temperature", "formulas")
        if getattr(args, name) != options.get_default(name)
    ]
    if lines and not args.solver:
        options.error("other settings than the bundle's: give --solver as well")
    given = {name: getattr(args, name) for name in names} if args.solver else None
    if given:
        given["by_kind"] = {"molecule": {"formulas": args.formulas}}
    print(describe(), given or "settings of each bundle", args.n)
    rows = []
    for folder in args.weights:
        sample = SampleConfig.model_validate(given or read_manifest(folder)["sample"])
        rows.append(measure(folder, sample, args.seed, args.n, args.kinds))
    print(pd.DataFrame(rows).to_markdown(index=False))


def measure(weights: Path, sample: SampleConfig, seed: int, n: int, kinds: Sequence[str]) -> dict[str, str | float]:
    """Return the shares of one folder's samples."""
    sampler = Sampler(weights / "vae", weights / "dit")
    row: dict[str, str | float] = {"weights": str(weights)}
    with tempfile.TemporaryDirectory() as folder:
        for kind in map(Kind, kinds):
            out = Path(folder) / f"{kind}.arrow"
            stage = SampleStage(seed=seed, sample=sample.of_kind(str(kind)))
            write_samples(sampler, stage, kind, range(n), out)
            row |= SHARES[str(kind)](list(read_systems(out)))
    return row


if __name__ == "__main__":
    main()
