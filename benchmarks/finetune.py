"""Effect of fine-tuning on a few hundred crystals: samples of the weights before and after it.

The "own" crystals are those of MP20's validation and test splits with five atoms and the formula ABC3 (perovskites and
their like), which the weights never saw: they are written as CIF files and go the way of config/finetune.yaml.

    python benchmarks/finetune.py --weights weights --data results/datasets/mp20.arrow --minutes 5
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from machine import describe

from adit.cli import main as adit
from adit.convert import to_cif
from adit.elements import symbol
from adit.score.common.aggregate import wilson
from adit.score.crystals.composition import compositionally_valid
from adit.score.crystals.validity import closest_contacts, structurally_valid
from adit.store import Row, read_systems
from adit.systems import AtomicSystem

OWN = "my-crystals"


def main() -> None:
    """Fine-tune, sample both, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--weights", type=Path, required=True)
    options.add_argument("--data", type=Path, required=True, help="prepared MP20")
    options.add_argument("--config", type=Path, default=Path("config/finetune.yaml"))
    options.add_argument("--minutes", type=float, default=5.0)
    options.add_argument("--n", type=int, default=200)
    options.add_argument("--seed", type=int, default=21)
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        own = write_own(args.data, work / "cif")
        finetune(args, work)
        rows = {"before": sample(args, args.weights, work / "before.arrow")}
        rows["after"] = sample(args, work, work / "after.arrow")
        record = {"machine": describe(), "own crystals": len(own), "minutes": args.minutes, "samples": args.n}
        print(json.dumps(record | {name: shares(sampled, own) for name, sampled in rows.items()}, indent=1))


def write_own(data: Path, folder: Path) -> set[str]:
    """Write the own crystals as CIF files; return their formulas."""
    folder.mkdir()
    formulas: set[str] = set()
    table = read_systems(data)
    for system in [s for split in ("val", "test") for s in table.systems(split) if is_abc3(s)]:
        (folder / f"{system.system_id}.cif").write_text(to_cif(system), encoding="utf-8")
        formulas.add(formula(system))
    return formulas


def finetune(args: argparse.Namespace, work: Path) -> None:
    """Go the way of the workflow, verb by verb."""
    values: dict[str, Any] = yaml.safe_load(args.config.read_text(encoding="utf-8"))
    values["data"]["custom"][OWN]["path"] = str(work / "cif")
    values["model"]["weights"] = str(args.weights)
    values["train"]["dit"]["max_minutes"] = args.minutes
    config = work / "config.yaml"
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    arguments, data = ["--config", str(config)], str(work / f"{OWN}.arrow")
    latents = str(work / f"{OWN}-0.arrow")
    run("prepare", *arguments, "--dataset", OWN, "--out", str(work))
    run("vae", *arguments, "--data", data, "--out", str(work / "vae"), "--state", str(work / "state/vae"))
    run("encode", *arguments, "--vae", str(work / "vae"), "--data", data, "--out", latents)
    pair = ["--vae", str(work / "vae"), "--data", data, "--latents", latents]
    run("dit", *arguments, *pair, "--out", str(work / "dit"), "--state", str(work / "state/dit"))


def sample(args: argparse.Namespace, weights: Path, out: Path) -> list[Row]:
    """Draw crystals of five atoms with the settings of the configuration."""
    settings = yaml.safe_load(args.config.read_text(encoding="utf-8"))["sample"]
    names = ("solver", "eta", "temperature", "steps", "guidance")
    words = [word for name in names if name in settings for word in (f"--{name}", str(settings[name]))]
    words += ["--weights", str(weights), "--n", str(args.n), "--seed", str(args.seed), "--atoms", "5"]
    run("sample", "--kind", "crystal", *words, "--out", str(out))
    return list(read_systems(out))


def run(*words: str) -> None:
    """Run a verb.

    Raises:
        SystemExit: it failed.
    """
    code = adit(words)
    if code:
        raise SystemExit(code)


def shares(rows: Sequence[Row], own: set[str]) -> dict[str, str]:
    """Return shares of the samples in % with their 95 % intervals."""
    generated = [row for row in rows if isinstance(row, AtomicSystem)]
    valid = [row for row in generated if is_valid(row)]
    kind = [row for row in generated if is_abc3(row)]
    both = [row for row in valid if is_abc3(row)]
    new = [row for row in both if formula(row) not in own]
    counted = {"valid": valid, "ABC3": kind, "valid and ABC3": both, "and of a formula that was not given": new}
    return {name: share(len(systems), len(rows)) for name, systems in counted.items()}


def share(count: int, total: int) -> str:
    """Return a share with its interval."""
    low, high = wilson(count, total, 0.95)
    return f"{100 * count / total:.1f} ({100 * low:.0f}-{100 * high:.0f})"


def is_abc3(system: AtomicSystem) -> bool:
    """Return whether it has five atoms and the formula ABC3."""
    return len(system) == 5 and sorted(Counter(system.numbers.tolist()).values()) == [1, 1, 3]


def is_valid(system: AtomicSystem) -> bool:
    """Return the overall validity of a crystal."""
    counts = Counter(symbol(int(z)) for z in system.numbers)
    return structurally_valid(closest_contacts(system), system.volume) and compositionally_valid(counts)


def formula(system: AtomicSystem) -> str:
    """Return the formula of its atoms."""
    return str(sorted(Counter(system.numbers.tolist()).items()))


if __name__ == "__main__":
    main()
