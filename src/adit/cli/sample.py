"""Verbs of sampling."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

from adit import config
from adit.cli.ending import tidy_end
from adit.cli.parsing import Verbs, add_paths, at_least_one, from_zero, seed
from adit.errors import ConfigError
from adit.outputs.manifest import State, state_of
from adit.outputs.replace import replaced_files
from adit.store import link

KINDS = ("crystal", "molecule", "mof")


def _sample(args: argparse.Namespace) -> None:
    from adit.sample.generate import sample_shard, write_samples
    from adit.systems import Kind

    if args.n is not None and (args.shard or args.state):
        raise ConfigError("--n asks for so many samples in one file: it goes without --shard and --state")
    vae, dit = _weights(args)
    stage, kind = _stage(args), Kind(args.kind)
    outs = [args.out, *([args.timing] if args.timing else [])]
    with replaced_files(outs, "sample", inputs=_inputs(stage, kind, vae, dit)) as (new, *rest):
        timing = rest[0] if rest else None
        if args.n is not None:
            from adit.sample.engine import Sampler

            write_samples(Sampler(vae, dit, stage.sample.precision), stage, kind, range(args.n), new, timing)
        elif args.state is None:
            sample_shard(stage, vae, dit, kind, args.shard, new, timing)
        else:
            made = args.state / _settings(stage, vae, dit, kind) / f"{kind}-{args.shard}.arrow"
            if state_of(made) is not State.OWN:
                with replaced_files([made], "sample", inputs=_inputs(stage, kind, vae, dit)) as (fresh,):
                    sample_shard(stage, vae, dit, kind, args.shard, fresh, timing)
            link(made, new)


def _inputs(stage: config.SampleStage, kind: str, vae: Path, dit: Path) -> list[Path]:
    """Return what sampling reads: the folders of the networks, and the file of the atoms to hold."""
    motif = stage.sample.conditions.of(kind).motif
    return [vae, dit, *([Path(motif)] if motif is not None else [])]


def _sample_tidily(args: argparse.Namespace) -> None:
    with tidy_end():
        _sample(args)


def _settings(stage: config.SampleStage, vae: Path, dit: Path, kind: str) -> str:
    """Return a hash of what decides the samples: settings, motif, weights (their hashes are in the models' records)."""
    records = [folder / "config.json" for folder in (vae, dit)]
    told = [record.read_text(encoding="utf-8") if record.is_file() else "" for record in records]
    motif = stage.sample.conditions.of(kind).motif
    if motif is not None and Path(motif).is_file():
        told.append(hashlib.sha256(Path(motif).read_bytes()).hexdigest())
    return hashlib.sha256("\n".join([stage.model_dump_json(), *told]).encode()).hexdigest()[:16]


def _trajectory(args: argparse.Namespace) -> None:
    from adit.sample.trajectory import write_trajectories
    from adit.systems import Kind

    vae, dit = _weights(args)
    stage, kind = _stage(args), Kind(args.kind)
    with replaced_files([args.out], "trajectory", inputs=_inputs(stage, kind, vae, dit)) as (new,):
        write_trajectories(stage, vae, dit, kind, args.index, args.frames, new)


def _tune(args: argparse.Namespace) -> None:
    from adit.report.compare.tuning import gather

    gather(config.load_stage(config.TuneStage, args.config), args.points, args.out)


SETTINGS = (
    *("grid", "steps", "guidance", "guidance_interval", "skip_guidance", "skip_blocks"),
    *("churn", "eta", "temperature", "tolerance", "formulas", "compile", "precision"),
)
"""Settings of sampling that the command line may change."""


def _weights(args: argparse.Namespace) -> tuple[Path, Path]:
    """Return the folders of autoencoder and denoiser."""
    vae = args.vae or (args.weights and args.weights / "vae")
    dit = args.dit or (args.weights and args.weights / "dit")
    if vae is None or dit is None:
        raise ConfigError("give --weights FOLDER with vae/ and dit/ in it, or --vae and --dit")
    if args.weights is not None:
        _suited(args.weights)  # for its hashes
    return vae, dit


def _stage(args: argparse.Namespace) -> config.SampleStage:
    """Return the configured slice with what the command line says over it."""
    if args.config is None:
        stage = config.SampleStage(seed=0, sample=_suited(args.weights))
    else:
        stage = config.load_stage(config.SampleStage, args.config)
    stage = stage.model_copy(update={"sample": stage.sample.of_kind(args.kind)})
    if args.solver is not None:
        stage = stage.model_copy(update={"sample": stage.sample.with_solver(args.solver)})
    values = stage.model_dump()
    if args.seed is not None:
        values["seed"] = args.seed
    values["sample"] |= {name: getattr(args, name) for name in SETTINGS if getattr(args, name) is not None}
    asked: dict[str, Any] = values["sample"]["conditions"][args.kind]
    if args.atoms is not None:
        asked["atoms"] = _atoms(args.atoms)
    asked |= {n: getattr(args, n) for n in ("spacegroup", "composition", "motif") if getattr(args, n) is not None}
    asked["labels"] = {**asked["labels"], **dict(map(_label, args.label))}
    return config.parse_as(config.SampleStage, values, "sample")


def _suited(weights: Path | None) -> config.SampleConfig:
    """Return the settings that a bundle of weights names, else the defaults."""
    from adit.train.bundle import MANIFEST, read_manifest

    named = read_manifest(weights)["sample"] if weights is not None and (weights / MANIFEST).is_file() else {}
    return config.parse_as(config.SampleConfig, named, f"{weights}/{MANIFEST}")


def _atoms(text: str) -> int | tuple[int, int]:
    """Return ``12`` or ``4-20`` as a number or a range."""
    low, dash, high = text.partition("-")
    try:
        return (at_least_one(low), at_least_one(high)) if dash else at_least_one(low)
    except argparse.ArgumentTypeError:
        raise ConfigError(f"--atoms {text}: give a number such as 12, or a range such as 4-20") from None


def _label(text: str) -> tuple[str, float]:
    """Return ``name=value``."""
    name, _, value = text.partition("=")
    try:
        if not name:
            raise ValueError
        return name, float(value)
    except ValueError:
        raise ConfigError(f"--label {text}: give NAME=NUMBER") from None


def _model_and_settings(sub: argparse.ArgumentParser) -> None:
    """Add what the verbs of sampling share: the model, how to integrate, and the conditions."""
    sub.set_defaults(config=None)
    sub.add_argument("--weights", type=Path, help="folder with vae/ and dit/ in it")
    add_paths(sub, "vae", "dit", required=False)
    add_paths(sub, "out")
    sub.add_argument("--kind", choices=KINDS, required=True)
    over = sub.add_argument_group("settings, over those of the configuration")
    over.add_argument("--seed", type=seed)
    over.add_argument("--solver", choices=("euler", "heun", "ab2", "exp-ab2", "sde", "ddim", "adaptive"))
    over.add_argument("--grid", choices=("uniform", "quadratic"))
    over.add_argument("--steps", type=at_least_one)
    over.add_argument("--guidance", type=float, help="scale of classifier-free guidance; 1: none")
    over.add_argument("--guidance-interval", type=float, nargs=2, metavar=("LOW", "HIGH"))
    over.add_argument("--skip-guidance", type=float, help="scale of guidance by the model less --skip-blocks; 1: none")
    over.add_argument("--skip-blocks", type=from_zero, nargs="*", help="blocks that the weaker model goes without")
    over.add_argument("--churn", type=float, help="for --solver sde")
    over.add_argument("--eta", type=float, help="for --solver ddim")
    over.add_argument("--temperature", type=float, help="for --solver ddim")
    over.add_argument("--tolerance", type=float, help="for --solver adaptive")
    over.add_argument(
        "--formulas", choices=("model", "training"), help="of molecules: the model's, or drawn from training"
    )
    over.add_argument("--compile", choices=("auto", "on", "off"))
    over.add_argument("--precision", choices=("auto", "bf16", "fp32"))
    asked = sub.add_argument_group("conditions")
    asked.add_argument("--atoms", help="12, or 4-20; else as in training")
    asked.add_argument("--spacegroup", type=at_least_one, help="1 to 230")
    asked.add_argument("--composition", help="formula (NaCl2) or chemical system (Li-Fe-O)")
    asked.add_argument("--motif", help="file with atoms to hold: .cif, .xyz, .extxyz, .sdf, .mol, .arrow")
    asked.add_argument("--label", action="append", default=[], metavar="NAME=VALUE", help="another label of the model")


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    sub = verbs.add(
        "sample", _sample_tidily, "generate samples of one kind: a shard of the run, or as many as asked for"
    )
    _model_and_settings(sub)
    sub.add_argument("--shard", type=from_zero, default=0, help="shard of the configured run")
    sub.add_argument("--n", type=at_least_one, help="this many samples, whatever the configuration says")
    add_paths(sub, "timing", required=False)
    sub.add_argument("--state", type=Path, help="keep finished shards in this folder, for when the job is cut off")

    sub = verbs.add("trajectory", _trajectory, "decode the denoising path of chosen samples to extended XYZ")
    _model_and_settings(sub)
    sub.add_argument("--index", type=from_zero, nargs="+", default=[0, 1, 2, 3], help="global indices of the samples")
    sub.add_argument("--frames", type=at_least_one, default=50, help="frames of each at most")

    sub = verbs.add("tune", _tune, "compare solvers, steps and guidance scales: table, Pareto front and plot")
    add_paths(sub, "points", many=True)
    add_paths(sub, "out")
