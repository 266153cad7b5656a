"""Verbs of the judge: a second potential's energies of relaxed crystals, and its hull."""

from __future__ import annotations

import argparse

from adit import config
from adit.cli.parsing import Verbs, add_paths, add_workers
from adit.cli.relax import potential_files
from adit.limits import set_limits
from adit.outputs.inputs import also_reads
from adit.outputs.replace import replaced_files


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


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    verbs.stage("judge", _judge, "energies of relaxed crystals by a second potential: one shard", _declare_judge)
    text = "hull distances by both potentials, side by side, and their verdict"
    verbs.stage("judge-hull", _judge_hull, text, _declare_judge_hull)


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
