"""Samples that are not the model's: from files, from a user's program, and by ion exchange in known crystals."""

from __future__ import annotations

import argparse
from pathlib import Path

from adit import config
from adit.cli.ending import tidy_end
from adit.cli.parsing import Verbs, add_paths, add_refuse, add_workers, at_least_one, from_zero, seed
from adit.errors import ConfigError, DataError
from adit.outputs.manifest import State, state_of
from adit.outputs.replace import replaced_files
from adit.store import link
from adit.systems import Kind

SUFFIXES = (".arrow", ".extxyz")
"""Suffixes of the file to write."""


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


def _substitute(args: argparse.Namespace) -> None:
    from adit.store import write_extxyz, write_systems
    from adit.substitute.crystals import substitute
    from adit.substitute.templates import crystals_of

    if args.out.suffix not in SUFFIXES:
        raise ConfigError(f"--out {args.out}: give a file with the suffix {' or '.join(SUFFIXES)}")
    with replaced_files([args.out], "substitute", inputs=[args.data]) as (new,):
        templates, data = crystals_of(args.data, args.workers)
        if not templates:
            raise DataError(f"{args.data}: holds no crystals")
        crystals = substitute(templates, data, args.n, args.seed)
        if args.out.suffix == ".arrow":
            write_systems(new, crystals, metadata={"data": str(args.data), "seed": args.seed, "n": args.n})
        else:
            write_extxyz(new, crystals)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""

    def declare(sub: argparse.ArgumentParser) -> None:
        add_paths(sub, "crystal", "molecule", "mof", many=True, required=False)
        add_refuse(sub)
        add_workers(sub)

    verbs.stage("take", _take, declare)

    def declare_command(sub: argparse.ArgumentParser) -> None:
        add_paths(sub, "out", "state")
        sub.add_argument("--kind", choices=[str(kind) for kind in Kind], required=True, help="kind of the samples")
        sub.add_argument("--shard", type=from_zero, required=True, help="shard of the configured run, from 0")
        add_workers(sub)

    verbs.stage("sample-command", _command, declare_command)
    verbs.add("substitute", _substitute, _declare_substitute, needs_config=False)


def _declare_substitute(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "data", "out")
    sub.add_argument("--n", type=at_least_one, required=True, help="number of crystals")
    sub.add_argument("--seed", type=seed, default=0, help="seed of the random numbers")
    add_workers(sub, "processes that read")
