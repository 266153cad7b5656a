"""Verbs of relaxation."""

from __future__ import annotations

import argparse
from pathlib import Path

from adit import config
from adit.cli.parsing import Verbs, add_paths


def _relax(args: argparse.Namespace) -> None:
    from adit.relax.prerelax import prerelax

    stage = config.load_stage(config.RelaxStage, args.config)
    prerelax(stage, args.samples, args.out, args.structures, args.extxyz, args.workers, args.cache)


def _reference(args: argparse.Namespace) -> None:
    from adit.relax.reference import reference

    reference(config.load_stage(config.ReferenceStage, args.config), args.data, args.out, args.cache, args.workers)


def _select(args: argparse.Namespace) -> None:
    from adit.relax.select import select

    select(config.load_stage(config.SelectStage, args.config), args.relaxed, args.hull, args.out)


def _dft(args: argparse.Namespace) -> None:
    from adit.relax.dft import run_dft

    run_dft(
        config.load_stage(config.DftStage, args.config),
        args.selected,
        args.relaxed,
        args.shard,
        args.folder,
        args.out,
        args.structures,
        args.workers,
        args.settings,
    )


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    sub = verbs.add("relax", _relax, "pre-relax one shard of periodic samples")
    add_paths(sub, "samples", "out", "structures", "extxyz")
    add_paths(sub, "cache", required=False)
    sub.add_argument("--workers", type=int, default=1, help="processes")

    sub = verbs.add("reference", _reference, "compute or read the reference energies of the hull")
    add_paths(sub, "data", many=True, required=False)
    add_paths(sub, "out", "cache")
    sub.add_argument("--workers", type=int, default=1, help="processes")

    sub = verbs.add("select", _select, "choose the structures that go to DFT")
    add_paths(sub, "relaxed", many=True)
    add_paths(sub, "hull", "out")

    sub = verbs.add("dft", _dft, "relax one shard of the selected structures with DFT")
    add_paths(sub, "selected", "folder", "out", "structures")
    add_paths(sub, "relaxed", many=True)
    sub.add_argument("--shard", type=int, default=0)
    sub.add_argument("--workers", type=int, default=1, help="structures at a time")
    sub.add_argument("--settings", type=Path, default=None, help="folder of the presets (config/dft)")
