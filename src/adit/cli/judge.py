"""Verbs that judge relaxed crystals: a second potential's energies and hull, and dynamical stability."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from adit import config
from adit.cli.parsing import Verbs, add_paths, add_structures, add_workers, whole_config
from adit.cli.relax import POTENTIALS, potential_files
from adit.limits import set_limits
from adit.outputs.inputs import also_reads
from adit.outputs.replace import replaced_files
from adit.systems import Kind

if TYPE_CHECKING:
    import pandas as pd

S = TypeVar("S", bound=config.Strict)

RANKED_BY = ("samples", "relaxed", "scores", "hull", "dft")
"""Folders of a run that decide which crystals are the best."""


def _judge(args: argparse.Namespace) -> None:
    from adit.relax.judge import judge

    stage = config.load_stage(config.JudgeStage, args.config)
    set_limits(stage.limits)
    also_reads(potential_files(stage.judge))
    with replaced_files([args.out], "judge", inputs=[args.structures]) as (new,):
        judge(stage, args.structures, new, args.workers, args.cache)


def _judge_hull(args: argparse.Namespace) -> None:
    from adit.hull.judged import judge_hull, read_inputs

    stage = config.load_stage(config.JudgeStage, args.config)
    set_limits(stage.limits)
    also_reads(potential_files(stage.judge))
    given = [*args.structures, *args.judged, args.hull, args.reference, *args.data]
    with replaced_files([args.out], "judge-hull", inputs=given) as (new,):
        inputs = read_inputs(args.structures, args.judged, args.hull)
        judge_hull(stage, inputs, args.reference, args.data, new, args.cache, args.workers, args.prototypes)


def _check_stability(args: argparse.Namespace) -> None:
    from adit.readers import settings_of
    from adit.relax.stability import check_stability

    whole = whole_config(args.config)
    set_limits(whole.limits)
    reading = settings_of(whole.read, whole.limits, args.workers, refuse=args.refuse_contradictions)
    named = {"engine": args.engine, "weights": args.weights, "python": args.python}
    relax = _with(whole.relax.of_crystals, named)
    stability = _with(whole.stability, {"wall_limit_s": args.wall_limit})
    also_reads(potential_files(relax))
    stage = config.StabilityStage(relax=relax, stability=stability, limits=whole.limits)
    check_stability(stage, args.files, args.out, args.workers, _draw, reading, args.only)


def _with(section: S, named: dict[str, object]) -> S:
    """Return a section with the values that the command line names."""
    values = section.model_dump() | {name: value for name, value in named.items() if value is not None}
    return config.parse_as(type(section), values, "adit check-stability")


def _draw(frame: pd.DataFrame, dos: pd.DataFrame, folder: Path) -> None:
    from adit.report.figures.drawing import save_drawing
    from adit.report.figures.phonons import phonon_dos

    save_drawing(phonon_dos(frame, dos), folder)


def _check_stability_stage(args: argparse.Namespace) -> None:
    from adit.ledger.gather import best, gather
    from adit.relax.stability import check_candidates

    stage = config.load_stage(config.StabilityStage, args.config)
    set_limits(stage.limits)
    also_reads(potential_files(stage.relax))
    inputs = [args.run / name for name in RANKED_BY]
    outs = [args.out, args.dos, args.structures]
    with replaced_files(outs, "check-stability", inputs=inputs) as (table, dos, structures):
        crystals = [one for one in gather(args.run) if one.generated.kind is Kind.CRYSTAL and one.relaxed is not None]
        chosen = best(crystals, stage.stability.top)
        systems = [replace(one.system, system_id=one.generated.system_id) for one in chosen]
        check_candidates(stage, systems, table, dos, structures, args.workers, args.cache)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    verbs.stage("judge", _judge, _declare_judge)
    verbs.stage("judge-hull", _judge_hull, _declare_judge_hull)
    verbs.add("check-stability", _check_stability, _declare_check)
    verbs.stage("check-stability", _check_stability_stage, _declare_check_stage)


def _declare_judge(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "structures", "out")
    add_paths(sub, "cache", required=False)
    add_workers(sub)


def _declare_judge_hull(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "structures", "judged", many=True)
    add_paths(sub, "data", many=True, required=False)
    add_paths(sub, "hull", "reference", "out")
    add_paths(sub, "cache", "prototypes", required=False)
    add_workers(sub)


def _declare_check(sub: argparse.ArgumentParser) -> None:
    add_structures(sub)
    sub.add_argument("--only", metavar="ID", nargs="+", default=[], help="ids of structures; default: all of the files")
    text = "potential for energies and forces; default: relax.engine of --config"
    sub.add_argument("--engine", choices=POTENTIALS, help=text)
    sub.add_argument("--weights", help="file of a potential's weights; default: relax.weights of --config")
    sub.add_argument("--python", help="interpreter that has the potential; default: relax.python of --config")
    text = "wall-time limit per structure, s; default: stability.wall_limit_s of --config"
    sub.add_argument("--wall-limit", type=float, help=text)
    add_paths(sub, "out")
    add_workers(sub)


def _declare_check_stage(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "run", "out", "dos", "structures")
    add_paths(sub, "cache", required=False)
    add_workers(sub)
