"""What each choice of the denoiser's recipe is worth: variants of one base, each trained for the same time.

Every variant changes the settings of `--config` by what its name says and nothing else. All work on the latents of one
autoencoder, with one thread, for `--minutes` of processor time, so that other work on the machine takes nothing from
them; then each draws the same number of crystals and molecules. Batches are small, the warm-up and the average of the
weights short, so that a budget of minutes holds a whole training. Samples of a short training are seldom valid: the
table gives measures that tell variants apart before that too.

    python benchmarks/levers.py --config config/pretrain.yaml --out results/levers --minutes 2 --vae VAE
        --latents LATENTS --data results/datasets/mp20.arrow results/datasets/qm9.arrow
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import torch
from machine import describe
from sampling import Bench

from adit.config import Config, DitStage, load, parse
from adit.elements import symbol
from adit.sample.engine import Sampler
from adit.score.crystals.composition import compositionally_valid
from adit.score.crystals.validity import closest_contacts, structurally_valid
from adit.score.molecules.validity import check_molecule
from adit.store import Row, write_frame, write_json
from adit.systems import AtomicSystem, Kind
from adit.train import loop
from adit.train.dit import train_dit

VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "AdamW 1e-3": {"train": {"optimizer": "adamw", "lr": 1.0e-3}},
    "clean prediction, weight clipped at 0.9": {"model": {"prediction": "clean"}, "train": {"t_clip": 0.9}},
    "uniform times": {"train": {"t_distribution": "uniform"}},
    "latents as they are": {"model": {"normalize_latents": False}},
    "no place in the order": {"model": {"index_embedding": False}},
    "QK-norm": {"model": {"qk_norm": True}},
    "no self-conditioning": {"train": {"self_conditioning": 0.0}},
    "self-conditioning in half of the steps": {"train": {"self_conditioning": 0.5}},
    "noise centred": {"train": {"center_noise": True}},
    "wider, fewer layers": {"model": {"d_model": 320, "heads": 5, "layers": 5}},
    "narrower, more layers": {"model": {"d_model": 192, "heads": 3, "layers": 14}},
    "batch of 128": {"train": {"batch_size": 128}},
    "three molecules to a crystal": {"ratios": (0.25, 0.75)},
}

SHORT: dict[str, Any] = {"batch_size": 32, "warmup_steps": 20, "ema_decay": 0.95}
"""What a training of minutes has in place of what one of hours has."""


def main() -> None:
    """Train, sample and print one variant after the other."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--config", type=Path, required=True, help="the base")
    options.add_argument("--vae", type=Path, required=True)
    options.add_argument("--latents", type=Path, required=True, help="folder of <dataset>-0.arrow")
    options.add_argument("--data", type=Path, nargs="+", required=True)
    options.add_argument("--minutes", type=float, default=4.0, help="of processor time, for each variant")
    options.add_argument("--n", type=int, default=200, help="samples of each kind")
    options.add_argument("--steps", type=int, default=25, help="of exp-ab2")
    options.add_argument("--seed", type=int, default=11, help="of the samples")
    options.add_argument("--only", nargs="*", help="variants to run; default: all that have no result yet")
    options.add_argument("--out", type=Path, required=True)
    args = options.parse_args()
    torch.set_num_threads(1)
    loop.time = SimpleNamespace(monotonic=time.process_time)  # type: ignore[assignment]
    base, table = load(args.config), args.out / "levers.csv"
    rows = pd.read_csv(table).to_dict("records") if table.exists() else []
    for name in args.only or [name for name in VARIANTS if name not in {row["variant"] for row in rows}]:
        row = measure(name, changed(base, VARIANTS[name], args.minutes), args)
        rows = [*(old for old in rows if old["variant"] != name), row]
        write_frame(table, pd.DataFrame(rows))
        write_json(args.out / "machine.json", describe())
    print(pd.DataFrame(rows).to_markdown(index=False))


def changed(base: Config, change: dict[str, Any], minutes: float) -> DitStage:
    """Return the denoiser's stage with one change."""
    values = base.model_dump(mode="json")
    values["sample"] = {}  # how the base is sampled may name blocks that a variant lacks
    values["model"]["dit"] |= change.get("model", {})
    values["train"]["dit"] |= {"max_minutes": minutes, "val_every": 10**6} | SHORT | change.get("train", {})
    for dataset, ratio in zip(values["data"]["datasets"], change.get("ratios", ()), strict=False):
        dataset["ratio"] = ratio
    return parse(values).stage(DitStage)


def measure(name: str, stage: DitStage, args: argparse.Namespace) -> dict[str, Any]:
    """Train and sample one variant."""
    folder = args.out / name.replace(" ", "-").replace(",", "")
    latents = [args.latents / f"{path.stem}-0.arrow" for path in args.data]
    train_dit(stage, args.vae, args.data, latents, folder / "dit", folder / "state")
    metrics = pd.read_csv(folder / "dit/metrics.csv")
    bench = Bench(Sampler(args.vae, folder / "dit"), Kind.CRYSTAL, args.seed, folder)
    _, crystals = bench.own(args.n, "exp-ab2", args.steps, 1.0)
    bench.kind = Kind.MOLECULE
    _, molecules = bench.own(args.n, "exp-ab2", args.steps, 1.0)
    error = metrics[metrics["split"] == "val"]["squared_error"].iloc[-1]
    measurements = {"variant": name, "steps": int(metrics["step"].max()), "squared error": round(float(error), 4)}
    return measurements | crystal_shares(crystals) | molecule_shares(molecules)


def crystal_shares(rows: Sequence[Row]) -> dict[str, float]:
    """Return shares of the crystals requested, in %."""
    passed: dict[str, int] = {"structure": 0, "composition": 0, "both": 0, "distances": 0}
    for row in rows:
        if not isinstance(row, AtomicSystem):
            continue
        contacts = closest_contacts(row)
        structure = structurally_valid(contacts, row.volume)
        composition = compositionally_valid(Counter(symbol(int(z)) for z in row.numbers))
        for key, value in zip(passed, (structure, composition, structure and composition), strict=False):
            passed[key] += value
        passed["distances"] += contacts.ratio >= 0.7
    return {f"crystals {key}, %": round(100 * count / len(rows), 1) for key, count in passed.items()}


def molecule_shares(rows: Sequence[Row]) -> dict[str, float]:
    """Return shares of the molecules requested, in %, and of atoms with EDM's valence."""
    systems = [row for row in rows if isinstance(row, AtomicSystem)]
    checks = [check_molecule(row) for row in systems]
    stable = sum(check.edm.n_stable for check in checks) / max(1, sum(len(row) for row in systems))
    return {
        "molecules strict, %": round(100 * sum(check.strict for check in checks) / len(rows), 1),
        "molecules neutral, %": round(100 * sum(check.neutral for check in checks) / len(rows), 1),
        "molecules PDB, %": round(100 * sum(check.pdb for check in checks) / len(rows), 1),
        "EDM stable atoms, %": round(100 * stable, 1),
    }


if __name__ == "__main__":
    main()
