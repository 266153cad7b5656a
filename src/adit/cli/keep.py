"""Verb that keeps the samples of a run that are worth training on, and stages of rounds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from adit import config
from adit.cli.parsing import Verbs, add_paths, add_workers
from adit.expressions import parse_condition
from adit.outputs.replace import replaced_files
from adit.systems import Kind

if TYPE_CHECKING:
    from adit.rounds.own import ScoreCommand


def _keep(args: argparse.Namespace) -> None:
    from adit.rounds.keep import inputs_of, keep, write_kept
    from adit.store import read_systems

    if args.score_command is not None:
        named = {"score_command": args.score_command, "score_command_wall_limit_s": args.wall_limit}
        config.parse_as(config.RoundsConfig, named, "adit keep")
    kind, condition = Kind(args.kind), None if args.keep is None else parse_condition(args.keep, "--keep")
    decisions = args.out.with_suffix(".decisions.parquet")
    folders = inputs_of(args.run, kind)
    with replaced_files([args.out, decisions], "keep", inputs=[*folders, *args.earlier]) as (new, table):
        earlier = [system for path in args.earlier for system in read_systems(path).systems()]
        kept = keep(args.run, kind, earlier, args.workers, condition, _program(args.score_command, args.wall_limit))
        write_kept(kept, args.run, kind, new, table)


def _keep_stage(args: argparse.Namespace) -> None:
    """Keep samples of a round, unless the round is below a floor; the output also has what earlier rounds kept."""
    from adit.rounds.keep import check_floors, inputs_of, keep, write_kept
    from adit.store import read_systems

    stage, kind = config.load_stage(config.KeepStage, args.config), Kind(args.kind)
    decisions = args.out.with_suffix(".decisions.parquet")
    folders = inputs_of(args.run, kind)
    with replaced_files([args.out, decisions], "keep", inputs=[*folders, *args.earlier]) as (new, table):
        earlier = [system for path in args.earlier for system in read_systems(path).systems()]
        text = config.condition_of(stage.keep, str(kind))
        condition = None if text is None else parse_condition(text, "rounds.keep")
        program = _program(stage.score_command, stage.score_command_wall_limit_s)
        kept = keep(args.run, kind, earlier, args.workers, condition, program)
        check_floors(kept, args.run, kind, stage.floors)
        write_kept(kept, args.run, kind, new, table, earlier)


def _program(command: str | None, wall_limit_s: float) -> ScoreCommand | None:
    from adit.rounds.own import ScoreCommand

    return None if command is None else ScoreCommand(command, wall_limit_s)


def _rounds(args: argparse.Namespace) -> None:
    """Write the page that compares the rounds and their controls."""
    from adit.rounds.page import compare_rounds

    compare_rounds(args.rounds, args.kept, args.out)


def register(verbs: Verbs) -> None:
    """Add the verb of this room."""

    def declare(sub: argparse.ArgumentParser) -> None:
        _declare(sub)
        text = "condition on the columns of the scores, e.g. 'e_above_hull < 0.05 and not has_Co'; default: none"
        sub.add_argument("--keep", help=text)
        text = "program that adds columns for --keep, with {structures}, {table}, {output}, {kind}; default: none"
        sub.add_argument("--score-command", help=text)
        sub.add_argument("--wall-limit", type=float, default=86400.0, help="wall-time limit of --score-command, s")

    verbs.add("keep", _keep, declare, needs_config=False)
    verbs.stage("keep", _keep_stage, _declare)

    def declare_rounds(sub: argparse.ArgumentParser) -> None:
        add_paths(sub, "out")
        text = "folders of the runs of all rounds and controls; the others are compared with the first"
        sub.add_argument("--rounds", type=Path, nargs="+", required=True, help=text)
        text = "structures that each round kept: kept/<kind>-<n>.arrow"
        sub.add_argument("--kept", type=Path, nargs="+", required=True, help=text)

    verbs.stage("rounds", _rounds, declare_rounds, needs_config=False)


def _declare(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "run", "out")
    sub.add_argument("--kind", choices=["crystal", "molecule"], required=True, help="kind of the samples")
    text = "files of earlier calls: what they have is not kept again; default: none"
    sub.add_argument("--earlier", type=Path, nargs="*", default=[], help=text)
    add_workers(sub, "processes that compare structures")
