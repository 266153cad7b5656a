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


def _reconstruct(args: argparse.Namespace) -> None:
    from adit.sample.reconstruct import reconstruct
    from adit.score.reconstruction import score_reconstruction

    made = args.out.with_suffix(".arrow")
    reconstruct(args.vae, args.data, args.split, args.limit, made)
    score_reconstruction(args.data, args.split, made, args.out, args.workers)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    text = "measure the autoencoder: match rate and RMSD of a split, encoded and decoded"
    sub = verbs.add("reconstruct", _reconstruct, text, needs_config=False)
    add_paths(sub, "vae", "data", "out")
    sub.add_argument("--split", default="test", choices=("train", "val", "test"))
    sub.add_argument("--limit", type=int, default=None, help="the first so many systems")
    sub.add_argument("--workers", type=int, default=1, help="processes")

    sub = verbs.add("score", _score, "score the samples, with control rows")
    add_paths(sub, "crystal", "molecule", "mof", "data", "relaxed", "dft", many=True, required=False)
    add_paths(sub, "hull", required=False)
    add_paths(sub, "out")
    sub.add_argument("--workers", type=int, default=1, help="processes")
