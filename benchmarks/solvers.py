"""How far each solver and time grid ends from the exact path, at equal numbers of evaluations of the shipped weights.

    python benchmarks/solvers.py --weights weights --n 8 --evaluations 12 24 48

The error is the root mean square distance of the final latents to those of a reference (AB2 on a uniform grid with
``--reference`` steps), over that of the reference latents to their mean: 0 is exact, 1 is no better than the mean.
Without guidance and noise drawn again, both of which change the path. fp32, from the same noise.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from adit import config
from adit.config import SampleConfig
from adit.sample.batches import windows
from adit.sample.engine import Sampler
from adit.sample.request import Request
from adit.systems import Kind

SOLVERS = {"euler": 1, "heun": 2, "ab2": 1, "exp-ab2": 1}
"""Deterministic solvers of fixed steps, and evaluations per step."""
GRIDS = ("uniform", "quadratic")


def latents(sampler: Sampler, request: Request, settings: SampleConfig, n: int) -> Tensor:
    """Return the final latents of ``n`` systems, atom by atom (N, d)."""
    ends = []
    for draws in windows(request, list(range(n)), 10**6):
        clean, mask = sampler.latents(draws, request, settings)
        ends.append(clean[mask].cpu().double())
    return torch.cat(ends)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="folder with vae/ and dit/")
    parser.add_argument("--n", type=int, default=8, help="systems of each kind")
    parser.add_argument("--evaluations", type=int, nargs="+", default=[12, 24, 48], help="evaluations of the denoiser")
    parser.add_argument("--reference", type=int, default=1000, help="steps of the reference")
    parser.add_argument("--seed", type=int, default=11, help="of sizes and noise")
    args = parser.parse_args()
    sampler = Sampler(args.weights / "vae", args.weights / "dit", "fp32")
    print("| kind | solver | grid | " + " | ".join(f"error, {e} evaluations" for e in args.evaluations) + " |")
    print("|---|---|---|" + "---|" * len(args.evaluations))
    for kind in (Kind.CRYSTAL, Kind.MOLECULE):
        plain = SampleConfig(solver="ab2", steps=args.reference, guidance=1.0, precision="fp32")
        request = sampler.request(config.SampleStage(seed=args.seed, sample=plain), kind)
        exact = latents(sampler, request, plain, args.n)
        spread = (exact - exact.mean(dim=0)).square().mean().sqrt()
        for solver, per_step in SOLVERS.items():
            for grid in GRIDS:
                errors = []
                for evaluations in args.evaluations:
                    changes = {"solver": solver, "grid": grid, "steps": evaluations // per_step}
                    end = latents(sampler, request, plain.model_copy(update=changes), args.n)
                    errors.append(float((end - exact).square().mean().sqrt() / spread))
                print(
                    f"| {kind} | {solver} | {grid} | " + " | ".join(f"{error:.3f}" for error in errors) + " |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
