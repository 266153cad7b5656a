"""Verbs of scores."""

from __future__ import annotations

import argparse

from adit import config
from adit.cli.parsing import Verbs, add_paths


def _score(args: argparse.Namespace) -> None:
    from adit.score.score import score

    samples = {"crystal": args.crystal, "molecule": args.molecule, "mof": args.mof}
    asked = {kind: paths for kind, paths in samples.items() if paths}
    stage = config.load_stage(config.ScoreStage, args.config)
    score(stage, asked, args.data, args.relaxed, args.hull, args.dft, args.out, args.workers)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    sub = verbs.add("score", _score, "score the samples, with control rows")
    add_paths(sub, "crystal", "molecule", "mof", "data", "relaxed", "dft", many=True, required=False)
    add_paths(sub, "hull", required=False)
    add_paths(sub, "out")
    sub.add_argument("--workers", type=int, default=1, help="processes")
