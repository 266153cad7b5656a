"""Verb of the baseline generator: ion exchange in known crystals."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from adit import config
from adit.cli.parsing import Verbs, add_paths, add_workers, at_least_one, seed
from adit.errors import ConfigError, DataError
from adit.outputs.replace import replaced_files

if TYPE_CHECKING:
    from adit.systems import AtomicSystem

SUFFIXES = (".arrow", ".extxyz")


def _substitute(args: argparse.Namespace) -> None:
    from adit.store import write_extxyz, write_systems
    from adit.substitute.crystals import substitute

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


def crystals_of(path: Path, workers: int) -> tuple[list[AtomicSystem], list[AtomicSystem]]:
    """Return the crystals of a file that may be changed, and all of them.

    Of a prepared dataset, only the training split may be changed.

    Raises:
        DataError: the file cannot be read.
    """
    from adit.readers import read_structures, settings_of
    from adit.store import read_systems
    from adit.systems import Failure, Kind

    if path.suffix == ".arrow":
        table = read_systems(path)
        rows = [(row, split) for row, split in zip(table, table.splits, strict=True) if not isinstance(row, Failure)]
        data = [row for row, _ in rows]
        templates = [row for row, split in rows if split == "train"] or data
    else:
        settings = settings_of(config.ReadConfig(), config.LimitsConfig(), workers)
        data = [each.row for each in read_structures([path], settings) if not isinstance(each.row, Failure)]
        templates = data
    kept = [[system for system in systems if system.kind is Kind.CRYSTAL] for systems in (templates, data)]
    return kept[0], kept[1]


def register(verbs: Verbs) -> None:
    """Add the verb of this room."""
    text = "make new crystals by ion exchange in known ones: a baseline without a model"
    verbs.add("substitute", _substitute, text, _declare, needs_config=False)


def _declare(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "data", "out")
    sub.add_argument("--n", type=at_least_one, required=True, help="number of crystals")
    sub.add_argument("--seed", type=seed, default=0, help="seed of the random numbers")
    add_workers(sub, "processes that read")
