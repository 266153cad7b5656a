"""Verb that searches the prototypes of many pairs of elements, for the table in the package or another table."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from adit import config
from adit.cli.parsing import Verbs, add_paths, add_workers
from adit.cli.relax import POTENTIALS, builtin_data
from adit.outputs.replace import replaced_files


def _ship_prototypes(args: argparse.Namespace) -> None:
    from adit.elements import composition
    from adit.hull.competing import Search, with_prototypes
    from adit.hull.hull import read_reference
    from adit.hull.reference import reference
    from adit.store import read_systems

    relax = config.parse_as(config.RelaxConfig, {"engine": args.engine}, "--engine")
    whole = config.Config(relax=relax, hull=config.HullConfig(reference="builtin"))
    chemical = [frozenset(composition(system.numbers)) for path in args.data for system in read_systems(path).systems()]
    crystals = builtin_data(args.cache, whole, args.workers)
    with tempfile.TemporaryDirectory(prefix="adit-prototypes-") as folder:
        own = Path(folder) / "reference.parquet"
        reference(whole.stage(config.ReferenceStage), [crystals], own, args.cache / "state", args.workers)
        hull = read_reference(own)
    kept = args.cache / f"prototypes-{args.engine}.parquet"  # a killed run resumes from it
    if args.out.is_file() and not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(args.out, kept)
    with_prototypes(hull, chemical, Search(relax, kept, args.core_hours, args.workers))
    with replaced_files([args.out], "ship-prototypes", inputs=args.data) as (new,):
        shutil.copyfile(kept, new)


def register(verbs: Verbs) -> None:
    """Add the verb of this room."""
    text = "search prototypes of the pairs of elements of a dataset, the most frequent first"
    verbs.add("ship-prototypes", _ship_prototypes, text, _declare, needs_config=False)


def _declare(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "data", many=True)
    add_paths(sub, "out", "cache")
    sub.add_argument("--engine", choices=POTENTIALS, default="chgnet", help="potential")
    sub.add_argument("--core-hours", type=float, default=4.0, help="budget of the search, core hours")
    add_workers(sub)
