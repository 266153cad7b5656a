"""What errors of latents cost: decoded test systems after noise of several sizes, and after the end of a path.

Noise is in units of a channel's standard deviation. "From t" mixes the latents of a test system with noise as they are
at that time of the path, and lets the denoiser finish it: what is lost from there on is lost by the end of the path.

    python benchmarks/tolerance.py --weights weights [--vae OTHER]
        --data results/datasets/mp20.arrow results/datasets/qm9.arrow
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sampling import is_valid
from torch import Tensor

from adit.flow.path import interpolate
from adit.flow.solver import integrate
from adit.flow.solvers.registry import make_solver
from adit.model.conditions import encode
from adit.model.features import Features, featurize
from adit.model.vae import VAE
from adit.sample.decode import decode_rows
from adit.sample.engine import Sampler
from adit.score.crystals.validity import closest_contacts
from adit.score.molecules.validity import check_molecule
from adit.store import Row, read_systems
from adit.systems import AtomicSystem, Kind, SystemBatch
from adit.train.latents import load_frozen_vae

NOISE = (0.0, 0.05, 0.1, 0.2)
TIMES = (0.9, 0.8, 0.6)
STEPS = 12


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--weights", type=Path, required=True)
    options.add_argument(
        "--vae", type=Path, help="another autoencoder with the same encoder, beside that of the weights"
    )
    options.add_argument("--data", type=Path, nargs="+", required=True)
    options.add_argument("--n", type=int, default=200, help="test systems of each dataset")
    args = options.parse_args()
    torch.set_num_threads(1)
    sampler = Sampler(args.weights / "vae", args.weights / "dit")
    decoders = {str(args.weights): sampler.vae} | ({str(args.vae): load_frozen_vae(args.vae)} if args.vae else {})
    rows = [row for path in args.data for row in measure(sampler, decoders, path, args.n)]
    print(pd.DataFrame(rows).to_markdown(index=False))


@torch.no_grad()
def measure(sampler: Sampler, decoders: dict[str, VAE], path: Path, n: int) -> list[dict[str, object]]:
    """Return a row for each error and decoder."""
    table = read_systems(path)
    kind = table.systems("test")[0].kind
    features = featurize(SystemBatch.from_arrays(table.arrays("test"), np.arange(n)))
    clean = sampler.dit.normalize(sampler.vae.encoder(features).mean) * features.mask[..., None]
    random = torch.Generator().manual_seed(0)
    rows = []
    cases: list[tuple[str, Tensor]] = [
        (f"noise {std:g}", clean + std * noise_like(clean, features, random)) for std in NOISE
    ]
    cases += [(f"from t = {t:g}", finish(sampler, clean, features, kind, t, random)) for t in TIMES]
    for name, latents in cases:
        error = float((latents - clean)[features.mask].square().mean().sqrt())
        for weights, vae in decoders.items():
            decoded = vae.decoder(sampler.dit.denormalize(latents), features.mask)
            decoded_rows = decode_rows(decoded, features.mask.sum(1).tolist(), [str(i) for i in range(n)], kind)
            row = {"data": path.stem, "latents": name, "error": round(error, 3), "decoder": weights}
            rows.append(row | shares(decoded_rows, kind))
    return rows


def noise_like(clean: Tensor, features: Features, random: torch.Generator) -> Tensor:
    """Return standard normal noise, zero in the padding."""
    return torch.randn(clean.shape, generator=random) * features.mask[..., None]


def finish(
    sampler: Sampler, clean: Tensor, features: Features, kind: Kind, start: float, random: torch.Generator
) -> Tensor:
    """Return what the denoiser makes of the latents as they are at time ``start``."""
    count = len(clean)
    labels = sampler.dit.config.labels
    conditions = encode(labels, [kind] * count, [{}] * count)
    noisy = interpolate(noise_like(clean, features, random), clean, torch.full((count,), start))

    def predict(latents: Tensor, previous: Tensor, t: Tensor) -> Tensor:
        # The path is cut off at its start: time runs from there.
        times = start + (1.0 - start) * t
        return sampler.dit(latents, previous, times, conditions, features.mask) * features.mask[..., None]

    return integrate(predict, noisy, [i / STEPS for i in range(STEPS + 1)], make_solver("euler"))


def shares(rows: Sequence[Row], kind: Kind) -> dict[str, float]:
    """Return shares of the decoded systems, in %."""
    systems = [row for row in rows if isinstance(row, AtomicSystem)]
    valid = {"valid, %": round(100 * sum(is_valid(row) for row in systems) / len(rows), 1)}
    if kind.periodic:
        far = sum(closest_contacts(row).ratio >= 0.7 for row in systems)
        return valid | {"distances, %": round(100 * far / len(rows), 1)}
    stable = sum(check_molecule(row).edm.n_stable for row in systems)
    return valid | {"EDM stable atoms, %": round(100 * stable / sum(map(len, systems)), 1)}


if __name__ == "__main__":
    main()
