"""Verb of the baseline generator: ion exchange in known crystals."""

from __future__ import annotations

import argparse

from adit.cli.parsing import Verbs, add_paths, add_workers, at_least_one, seed
from adit.errors import ConfigError, DataError
from adit.outputs.replace import replaced_files

SUFFIXES = (".arrow", ".extxyz")
"""Suffixes of the file to write."""


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
    """Add the verb of this room."""
    text = "make new crystals by ion exchange in known ones: a baseline without a model"
    verbs.add("substitute", _substitute, text, _declare, needs_config=False)


def _declare(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "data", "out")
    sub.add_argument("--n", type=at_least_one, required=True, help="number of crystals")
    sub.add_argument("--seed", type=seed, default=0, help="seed of the random numbers")
    add_workers(sub, "processes that read")
