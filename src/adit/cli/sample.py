"""Verbs of sampling."""

from __future__ import annotations

import argparse

from adit import config
from adit.cli.parsing import Verbs, add_paths


def _sample(args: argparse.Namespace) -> None:
    from adit.sample.generate import sample_shard
    from adit.systems import Kind

    stage = config.load_stage(config.SampleStage, args.config)
    sample_shard(stage, args.vae, args.dit, Kind(args.kind), args.shard, args.out)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    sub = verbs.add("sample", _sample, "generate one shard of samples of one kind")
    add_paths(sub, "vae", "dit", "out")
    sub.add_argument("--kind", choices=("crystal", "molecule", "mof"), required=True)
    sub.add_argument("--shard", type=int, default=0)
