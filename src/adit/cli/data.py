"""Verbs of the data room."""

from __future__ import annotations

import argparse

from adit import config
from adit.cli.parsing import Verbs, add_paths


def _prepare(args: argparse.Namespace) -> None:
    from adit.data.prepare import prepare

    if args.config.lstrip().startswith("{"):
        stage = config.load_stage(config.PrepareStage, args.config)
    else:
        chosen = config.load(args.config)
        entry = next((d for d in chosen.data.datasets if d.name == args.dataset), None)
        dataset = entry or config.parse_as(config.DatasetConfig, {"name": args.dataset}, "--dataset")
        stage = chosen.stage(config.PrepareStage, dataset=dataset)
    prepare(stage, args.out, args.stats)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    sub = verbs.add("prepare", _prepare, "read one dataset and write normalised systems with their splits")
    sub.add_argument("--dataset", default="builtin-crystals", help="name, where --config is a file")
    add_paths(sub, "out", "stats")
