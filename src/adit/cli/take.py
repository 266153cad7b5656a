"""Stages that take samples from files, or from a user's program, in place of those of the model."""

from __future__ import annotations

import argparse
from pathlib import Path

from adit import config
from adit.cli.ending import tidy_end
from adit.cli.parsing import Verbs, add_paths, add_refuse, add_workers, from_zero
from adit.errors import ConfigError
from adit.outputs.manifest import State, state_of
from adit.outputs.replace import replaced_files
from adit.store import link
from adit.systems import Kind


def _take(args: argparse.Namespace) -> None:
    from adit.sample.take import take

    stage = config.load_stage(config.TakeStage, args.config)
    if stage.from_ is None:
        raise ConfigError("sample.from is empty; give a file or folder")
    source = Path(stage.from_)
    outs: list[Path] = [*args.crystal, *args.molecule, *args.mof]
    with replaced_files(outs, "take", inputs=[source]) as new:
        temporary = dict(zip(outs, new, strict=True))
        shards = {kind: [temporary[path] for path in getattr(args, str(kind))] for kind in Kind}
        take(stage, source, shards, args.workers, refuse=args.refuse_contradictions)


def _command(args: argparse.Namespace) -> None:
    """Write a shard, which is cached in ``--state``: a shard that the program finished is not made again."""
    from adit.sample.command import sample_command
    from adit.sample.kept import command_key

    stage, kind = config.load_stage(config.CommandStage, args.config), Kind(args.kind)
    kept = args.state / command_key(stage) / f"{kind}-{args.shard}.arrow"
    with tidy_end(), replaced_files([args.out], "sample-command") as (new,):
        if state_of(kept) is not State.OWN:
            with replaced_files([kept], "sample-command") as (fresh,):
                sample_command(stage, kind, args.shard, fresh, args.workers)
        link(kept, new)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""

    def declare(sub: argparse.ArgumentParser) -> None:
        add_paths(sub, "crystal", "molecule", "mof", many=True, required=False)
        add_refuse(sub)
        add_workers(sub)

    verbs.stage("take", _take, "take samples of another program (sample.from) into the shards of a run", declare)

    def declare_command(sub: argparse.ArgumentParser) -> None:
        add_paths(sub, "out", "state")
        sub.add_argument("--kind", choices=[str(kind) for kind in Kind], required=True, help="kind of the samples")
        sub.add_argument("--shard", type=from_zero, required=True, help="shard of the configured run, from 0")
        add_workers(sub)

    text = "run the user's program (sample.command), which writes one shard of samples"
    verbs.stage("sample-command", _command, text, declare_command)
