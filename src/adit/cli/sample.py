"""Verbs of sampling."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adit import config
from adit.api.model import stored_settings
from adit.cli.ending import tidy_end
from adit.cli.parsing import Handler, Verbs, add_paths, at_least_one, from_zero, seed
from adit.config.solvers import SOLVERS
from adit.errors import ConfigError
from adit.outputs.manifest import State, state_of
from adit.outputs.replace import replaced_files
from adit.places import shared
from adit.store import link

if TYPE_CHECKING:
    from adit.sample.engine import Substituted
    from adit.systems import Kind

KINDS = ("crystal", "molecule", "mof")
"""Kinds that can be sampled."""


def _sample(args: argparse.Namespace) -> None:
    """Write a shard of the configured run, or as many samples as requested."""
    from adit.sample.generate import sample_shard
    from adit.systems import Kind

    if args.n is not None and args.shard:
        raise ConfigError("--n and --shard exclude each other; leave one out")
    vae, dit = _weights(args)
    stage, kind = _stage(args), Kind(args.kind)
    with replaced_files(_outs(args), "sample", inputs=_inputs(stage, kind, vae, dit)) as (new, *rest):
        timing = rest[0] if rest else None
        if args.n is None:
            sample_shard(stage, vae, dit, kind, args.shard, new, timing, _substituted(args, stage))
        else:
            _write_some(args, stage, (vae, dit), kind, new, timing)


def _sample_stage(args: argparse.Namespace) -> None:
    """Write a shard of the run, cached in the folder ``--state``, or as many samples as requested."""
    from adit.sample.generate import sample_shard
    from adit.sample.kept import sample_key
    from adit.systems import Kind

    stage, kind = config.load_stage(config.SampleStage, args.config), Kind(args.kind)
    stage = stage.model_copy(update={"sample": stage.sample.of_kind(args.kind)})
    inputs = _inputs(stage, kind, args.vae, args.dit)
    with replaced_files(_outs(args), "sample", inputs=inputs) as (new, *rest):
        timing = rest[0] if rest else None
        if args.n is not None:
            _write_some(args, stage, (args.vae, args.dit), kind, new, timing)
        elif args.state is None:
            sample_shard(stage, args.vae, args.dit, kind, args.shard, new, timing, _substituted(args, stage))
        else:
            key = sample_key(stage, args.vae, args.dit, kind, args.formulas_data)
            kept = args.state / key / f"{kind}-{args.shard}.arrow"
            if state_of(kept) is not State.OWN:
                with replaced_files([kept], "sample", inputs=inputs) as (fresh,):
                    sample_shard(stage, args.vae, args.dit, kind, args.shard, fresh, timing, _substituted(args, stage))
            link(kept, new)


def _write_some(
    args: argparse.Namespace,
    stage: config.SampleStage,
    model: tuple[Path, Path],
    kind: Kind,
    out: Path,
    timing: Path | None,
) -> None:
    from adit.sample.engine import Sampler
    from adit.sample.generate import write_samples

    sampler = Sampler(*model, stage.sample.precision, _substituted(args, stage))
    write_samples(sampler, stage, kind, range(args.n), out, timing)


def _substituted(args: argparse.Namespace, stage: config.SampleStage) -> Substituted | None:
    """Return the function that returns formulas for ``formulas: substitution``; ``None`` without data for them."""
    paths: list[Path] = args.formulas_data
    if stage.sample.formulas != "substitution" or not paths:
        return None

    def formulas(max_atomic_number: int) -> Mapping[str, float]:
        from adit.errors import DataError
        from adit.substitute.formulas import formulas_of_templates
        from adit.substitute.templates import crystals_of

        crystals = [crystals_of(path, 1) for path in paths]
        templates = [system for training, _ in crystals for system in training]
        if not templates:
            raise DataError(f"{', '.join(map(str, paths))}: hold no crystals; sample.formulas: substitution needs some")
        data = [system for _, every in crystals for system in every]
        repeats = stage.sample.formulas_known
        return formulas_of_templates(templates, data, stage.seed, max_atomic_number=max_atomic_number, repeats=repeats)

    return formulas


def _outs(args: argparse.Namespace) -> list[Path]:
    return [args.out, *([args.timing] if getattr(args, "timing", None) else [])]


def _inputs(stage: config.SampleStage, kind: str, vae: Path, dit: Path) -> list[Path]:
    """Return the inputs of sampling: the folders of the networks, the manifest beside them, the file of the motif."""
    from adit.train.bundle import MANIFEST

    motif = stage.sample.conditions.of(kind).motif
    manifests = [path for path in {vae.parent / MANIFEST, dit.parent / MANIFEST} if path.is_file()]
    return [vae, dit, *manifests, *([Path(motif)] if motif is not None else [])]


def _tidily(handler: Handler) -> Handler:
    """Return a handler that removes temporary files when it is stopped by a signal."""

    def run(args: argparse.Namespace) -> None:
        with tidy_end():
            handler(args)

    return run


def _trajectory(args: argparse.Namespace) -> None:
    from adit.sample.trajectory import write_trajectories
    from adit.systems import Kind

    vae, dit = _weights(args)
    stage, kind = _stage(args), Kind(args.kind)
    with replaced_files([args.out], "trajectory", inputs=_inputs(stage, kind, vae, dit)) as (new,):
        write_trajectories(stage, vae, dit, kind, args.index, args.frames, new, _substituted(args, stage))


def _tune(args: argparse.Namespace) -> None:
    from adit.report.compare.tuning import gather_tuning

    gather_tuning(config.load_stage(config.TuneStage, args.config), args.points, args.out)


SETTINGS = (
    *("grid", "steps", "guidance", "guidance_interval", "skip_guidance", "skip_blocks"),
    *("churn", "eta", "temperature", "tolerance", "formulas", "compile", "precision"),
)
"""Settings of sampling that the command line may change."""


def _weights(args: argparse.Namespace) -> tuple[Path, Path]:
    """Return the folders of autoencoder and denoiser."""
    if args.weights is None and args.vae is None and args.dit is None:
        args.weights = shared("weights")
    vae = args.vae or (args.weights and args.weights / "vae")
    dit = args.dit or (args.weights and args.weights / "dit")
    if vae is None or dit is None:
        raise ConfigError("--vae and --dit belong together; give both, or --weights FOLDER with vae/ and dit/ in it")
    if args.weights is not None:
        stored_settings(args.weights)  # checks the hashes
    return vae, dit


def _stage(args: argparse.Namespace) -> config.SampleStage:
    """Return the section of the configuration, with the options of the command line."""
    if args.config is None:
        stage = config.SampleStage(seed=0, sample=stored_settings(args.weights))
    else:
        stage = config.load_stage(config.SampleStage, args.config)
    stage = stage.model_copy(update={"sample": stage.sample.of_kind(args.kind)})
    if args.solver is not None:
        stage = stage.model_copy(update={"sample": stage.sample.with_solver(args.solver)})
    values = stage.model_dump()
    if args.seed is not None:
        values["seed"] = args.seed
    values["sample"] |= {name: getattr(args, name) for name in SETTINGS if getattr(args, name) is not None}
    conditions: dict[str, Any] = values["sample"]["conditions"][args.kind]
    if args.atoms is not None:
        conditions["atoms"] = _atoms(args.atoms)
    conditions |= {n: getattr(args, n) for n in ("spacegroup", "composition", "motif") if getattr(args, n) is not None}
    conditions["labels"] = {**conditions["labels"], **dict(map(_label, args.label))}
    return config.parse_as(config.SampleStage, values, "sample")


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


CONFIGURED: Final = "default: that of the configuration or of the weights"
"""End of the help of options that override the configuration."""


def _model_and_settings(sub: argparse.ArgumentParser) -> None:
    """Add the common options of sampling: the model, the solver, and the conditions."""
    sub.set_defaults(config=None)
    sub.add_argument(
        "--weights", type=Path, help="folder with vae/ and dit/; default: --vae and --dit, or the shipped weights"
    )
    add_paths(sub, "vae", "dit", required=False)
    add_paths(sub, "out")
    sub.add_argument("--kind", choices=KINDS, required=True, help="kind of the samples")
    over = sub.add_argument_group("settings that override the configuration")

    def add(flag: str, text: str, **options: Any) -> None:
        over.add_argument(flag, help=f"{text}; {CONFIGURED}", **options)

    add("--seed", "seed of the random numbers", type=seed)
    add("--solver", "solver of the ODE", choices=tuple(SOLVERS))
    add("--grid", "time grid of the steps", choices=("uniform", "quadratic"))
    add("--steps", "integration steps", type=at_least_one)
    add("--guidance", "scale of classifier-free guidance; 1: no guidance", type=float)
    text = "time interval with guidance, from 0 to 1"
    add("--guidance-interval", text, type=float, nargs=2, metavar=("LOW", "HIGH"))
    add("--skip-guidance", "scale of guidance by the model without --skip-blocks; 1: no guidance", type=float)
    add("--skip-blocks", "blocks skipped in the weaker model, from 0", type=from_zero, nargs="*")
    add("--churn", "noise added in every step, for --solver sde", type=float)
    add("--eta", "share of the noise that is drawn again, for --solver ddim", type=float)
    add("--temperature", "scale of the drawn noise, for --solver ddim", type=float)
    add("--tolerance", "error tolerance of a step, for --solver adaptive", type=float)
    text = "formulas: from the model, drawn from its training data (molecules), or by substitution in --formulas-data"
    add("--formulas", text, choices=("model", "training", "substitution"))
    add("--compile", "whether to compile the denoiser", choices=("auto", "on", "off"))
    add("--precision", "precision of the denoiser", choices=("auto", "bf16", "fp32"))
    conditions = sub.add_argument_group("conditions")
    conditions.add_argument("--atoms", help="number of atoms, 12 or 4-20; default: as in training")
    conditions.add_argument("--spacegroup", type=at_least_one, help="1 to 230; default: any")
    text = "formula (NaCl2) or chemical system (Li-Fe-O); default: any"
    conditions.add_argument("--composition", help=text)
    text = "file with fixed atoms, in any format of adit score; default: none"
    conditions.add_argument("--motif", help=text)
    text = "another label of the model; default: none"
    conditions.add_argument("--label", action="append", default=[], metavar="NAME=VALUE", help=text)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    verbs.add("sample", _tidily(_sample), _declare_sample)
    verbs.stage("sample", _tidily(_sample_stage), _declare_sample_stage)
    verbs.both("trajectory", _trajectory, _declare_trajectory)
    verbs.stage("tune", _tune, _declare_tune)


def _declare_sample(sub: argparse.ArgumentParser) -> None:
    _model_and_settings(sub)
    _add_amount(sub)


def _declare_sample_stage(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "vae", "dit", "out")
    sub.add_argument("--kind", choices=KINDS, required=True, help="what to sample")
    _add_amount(sub)
    add_paths(sub, "state", "timing", required=False)


def _add_amount(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--shard", type=from_zero, default=0, help="shard of the configured run, from 0")
    text = "number of samples, in one file; default: a shard of the configured run"
    sub.add_argument("--n", type=at_least_one, help=text)
    _add_formulas_data(sub)


def _add_formulas_data(sub: argparse.ArgumentParser) -> None:
    text = "crystals whose formulas are changed for --formulas substitution, e.g. a prepared dataset; default: none"
    sub.add_argument("--formulas-data", type=Path, nargs="*", default=[], help=text)


def _declare_trajectory(sub: argparse.ArgumentParser) -> None:
    _model_and_settings(sub)
    text = "indices of the samples in the run, from 0"
    sub.add_argument("--index", type=from_zero, nargs="+", default=[0, 1, 2, 3], help=text)
    sub.add_argument("--frames", type=at_least_one, default=50, help="maximum number of frames per sample")
    _add_formulas_data(sub)


def _declare_tune(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "points", many=True)
    add_paths(sub, "out")
